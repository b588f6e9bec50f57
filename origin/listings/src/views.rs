//! What goes out.

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use zephyr_origin_core::Money;

use crate::model::{Attributes, Rule, Rules, Status};
use crate::store::StoredImage;

/// A listing.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ListingView {
    pub(crate) id: Uuid,
    pub(crate) seller_id: Uuid,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) category: String,
    pub(crate) price: Money,
    #[schema(value_type = Object)]
    pub(crate) attributes: Attributes,
    pub(crate) status: Status,
    pub(crate) images: Vec<ImageView>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) updated_at: OffsetDateTime,
    /// Also its ETag.
    pub(crate) version: i64,
}

/// A listing in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SummaryView {
    pub(crate) id: Uuid,
    pub(crate) seller_id: Uuid,
    pub(crate) title: String,
    pub(crate) category: String,
    pub(crate) price: Money,
    /// The first picture, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<ImageView>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
}

/// A picture.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ImageView {
    /// SHA-256 of its bytes, in hex.
    pub(crate) id: String,
    /// Where it is; add `?w=320` for a smaller one.
    pub(crate) url: String,
    /// In pixels.
    pub(crate) width: i32,
    /// In pixels.
    pub(crate) height: i32,
}

impl ImageView {
    pub(crate) fn new(id: String, width: i32, height: i32) -> Self {
        Self {
            url: format!("/media/{id}"),
            id,
            width,
            height,
        }
    }
}

impl From<StoredImage> for ImageView {
    fn from(image: StoredImage) -> Self {
        Self::new(image.id, image.width, image.height)
    }
}

/// A category.
#[derive(Clone, Debug, Serialize, ToSchema, sqlx::FromRow)]
pub(crate) struct CategoryView {
    /// What listings name it by.
    pub(crate) slug: String,
    pub(crate) name: String,
    /// The category above it; none at the top.
    pub(crate) parent: Option<String>,
    /// What its listings' attributes must be: `text`, `integer`, `number`, `boolean`, or one of some
    /// texts. Others are free.
    #[schema(value_type = std::collections::BTreeMap<String, Rule>, example = json!({"gears": "integer", "condition": ["new", "good"]}))]
    pub(crate) attributes: sqlx::types::Json<Rules>,
}
