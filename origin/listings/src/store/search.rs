//! The search: one statement, made of the parts that a query has.
//!
//! Pages are keyset pages: the next begins behind the last listing's place in the order, so new
//! listings neither repeat nor hide any.

use sqlx::{Postgres, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;
use zephyr_db::{Db, DbError};
use zephyr_origin_core::{Cursor, Money, Page};

use crate::model::{Position, SearchQuery, Sort};
use crate::views::{ImageView, SummaryView};

#[derive(Debug, sqlx::FromRow)]
struct Row {
    id: Uuid,
    seller_id: Uuid,
    title: String,
    category: String,
    price: i64,
    currency: String,
    created_at: OffsetDateTime,
    rank: f32,
    image_id: Option<String>,
    image_width: Option<i32>,
    image_height: Option<i32>,
}

/// One page of what a query finds.
pub(crate) async fn search(db: &Db, query: &SearchQuery) -> Result<Page<SummaryView>, DbError> {
    let limit = i64::from(query.page.limit);
    let mut sql = statement(query, limit + 1);
    let mut rows: Vec<Row> = sql.build_query_as().fetch_all(db.read()).await?;
    let more = rows.len() > usize::from(query.page.limit);
    rows.truncate(usize::from(query.page.limit));
    let next_cursor = rows
        .last()
        .filter(|_| more)
        .map(|last| Cursor::encode(&position(query.sort, last)).into_string());
    Ok(Page {
        items: rows.into_iter().filter_map(summary).collect(),
        next_cursor,
    })
}

fn statement(query: &SearchQuery, limit: i64) -> QueryBuilder<Postgres> {
    // Pictures are joined to the page's listings only, so the inner statement comes first.
    let mut sql = QueryBuilder::new(
        "select f.*, i.id as image_id, i.width as image_width, i.height as image_height from (
             select id, seller_id, title, category, price, currency, created_at, ",
    );
    match &query.words {
        Some(words) => {
            sql.push("ts_rank_cd(search, q.words) as rank from listings.listings, websearch_to_tsquery('english', ");
            sql.push_bind(words.clone());
            sql.push(") as q(words) where status = 'active' and search @@ q.words");
        }
        None => {
            sql.push("0::float4 as rank from listings.listings where status = 'active'");
        }
    }
    if let Some(category) = &query.category {
        sql.push(" and category in (select slug from listings.categories where slug = ");
        sql.push_bind(category.clone());
        sql.push(" or parent = ");
        sql.push_bind(category.clone());
        sql.push(")");
    }
    if let Some(seller) = query.seller {
        sql.push(" and seller_id = ").push_bind(seller);
    }
    if let Some(currency) = query.currency {
        sql.push(" and currency = ")
            .push_bind(currency.as_str().to_owned());
    }
    if let Some(price) = query.min_price {
        sql.push(" and price >= ").push_bind(price);
    }
    if let Some(price) = query.max_price {
        sql.push(" and price <= ").push_bind(price);
    }
    for (name, text) in &query.attributes {
        // A parameter has no type: `27` may be meant as the number or as the text.
        let typed = serde_json::from_str(text)
            .ok()
            .filter(|value: &serde_json::Value| value.is_number() || value.is_boolean());
        sql.push(" and (attributes @> ")
            .push_bind(serde_json::json!({ name: text }));
        if let Some(typed) = typed {
            sql.push(" or attributes @> ")
                .push_bind(serde_json::json!({ name: typed }));
        }
        sql.push(")");
    }
    after(&mut sql, query.after);
    sql.push(match query.sort {
        Sort::Relevance => " order by rank desc, id desc",
        Sort::Newest => " order by created_at desc, id desc",
        Sort::PriceAsc => " order by price, id",
        Sort::PriceDesc => " order by price desc, id desc",
    });
    sql.push(" limit ").push_bind(limit);
    sql.push(
        ") f left join listings.listing_images l on l.listing_id = f.id
             and l.position = (select min(position) from listings.listing_images where listing_id = f.id)
           left join listings.images i on i.id = l.image_id",
    );
    sql.push(match query.sort {
        Sort::Relevance => " order by f.rank desc, f.id desc",
        Sort::Newest => " order by f.created_at desc, f.id desc",
        Sort::PriceAsc => " order by f.price, f.id",
        Sort::PriceDesc => " order by f.price desc, f.id desc",
    });
    sql
}

fn after(sql: &mut QueryBuilder<Postgres>, after: Option<Position>) {
    let id = match after {
        None => return,
        Some(Position::Relevance(rank, id)) => {
            sql.push(" and (ts_rank_cd(search, q.words), id) < (")
                .push_bind(rank);
            id
        }
        Some(Position::Newest(micros, id)) => {
            let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000)
                .unwrap_or(OffsetDateTime::UNIX_EPOCH);
            sql.push(" and (created_at, id) < (").push_bind(at);
            id
        }
        Some(Position::PriceAsc(price, id)) => {
            sql.push(" and (price, id) > (").push_bind(price);
            id
        }
        Some(Position::PriceDesc(price, id)) => {
            sql.push(" and (price, id) < (").push_bind(price);
            id
        }
    };
    sql.push(", ").push_bind(id).push(")");
}

fn position(sort: Sort, last: &Row) -> Position {
    match sort {
        Sort::Relevance => Position::Relevance(last.rank, last.id),
        Sort::Newest => {
            let micros = last.created_at.unix_timestamp_nanos() / 1000;
            Position::Newest(i64::try_from(micros).unwrap_or(i64::MAX), last.id)
        }
        Sort::PriceAsc => Position::PriceAsc(last.price, last.id),
        Sort::PriceDesc => Position::PriceDesc(last.price, last.id),
    }
}

fn summary(row: Row) -> Option<SummaryView> {
    let image = match (row.image_id, row.image_width, row.image_height) {
        (Some(id), Some(width), Some(height)) => Some(ImageView::new(id, width, height)),
        _ => None,
    };
    Some(SummaryView {
        id: row.id,
        seller_id: row.seller_id,
        title: row.title,
        category: row.category,
        // The table's own check keeps the code legal.
        price: Money {
            amount: row.price,
            currency: row.currency.parse().ok()?,
        },
        image,
        created_at: row.created_at,
    })
}
