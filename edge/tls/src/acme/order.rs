//! One order: account, proof, request, certificate (RFC 8555, section 7).

use std::sync::Arc;

use bytes::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{
    Account, AccountBuilder, AccountCredentials, AuthorizationStatus, BodyWrapper, ChallengeType,
    Identifier, NewAccount, NewOrder, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use super::challenges::Challenges;
use super::folder::Folder;
use super::{AcmeError, Options};

/// The account at the authority: the one there is, else a new one.
pub(super) async fn account(options: &Options, folder: &Folder) -> Result<Account, AcmeError> {
    let builder = builder(options)?;
    if let Some(known) = folder.load_account()? {
        let credentials: AccountCredentials =
            serde_json::from_slice(&known).map_err(|error| AcmeError::Folder {
                file: folder.account(),
                source: error.into(),
            })?;
        return Ok(builder.from_credentials(credentials).await?);
    }
    let contact: Vec<_> = options.contact.iter().map(String::as_str).collect();
    let new = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let directory = options.directory.clone();
    let (account, credentials) = builder.create(&new, directory, None).await?;
    let credentials = serde_json::to_vec(&credentials).map_err(instant_acme::Error::from)?;
    folder.store_account(&credentials)?;
    Ok(account)
}

fn builder(options: &Options) -> Result<AccountBuilder, AcmeError> {
    if options.directory.starts_with("http://") {
        // Only to this machine: the configuration sees to that.
        let client: Client<HttpConnector, BodyWrapper<Bytes>> =
            Client::builder(TokioExecutor::new()).build_http();
        return Ok(Account::builder_with_http(Box::new(client)));
    }
    Ok(match &options.ca {
        Some(root) => Account::builder_with_root(root)?,
        None => Account::builder()?,
    })
}

/// Orders a certificate: its key and the chain, as one PEM text.
pub(super) async fn order(
    account: &Account,
    domain: &str,
    challenges: &Arc<Challenges>,
) -> Result<String, AcmeError> {
    let identifiers = [Identifier::Dns(domain.to_owned())];
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
    let mut shown = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let mut challenge = authorization
            .challenge(ChallengeType::Http01)
            .ok_or(AcmeError::NoHttp01)?;
        let proof = challenge.key_authorization();
        shown.push(challenges.show(&challenge.token, proof.as_str()));
        challenge.set_ready().await?;
    }
    let patience = RetryPolicy::new().timeout(super::ORDER_TIMEOUT);
    if order.poll_ready(&patience).await? != OrderStatus::Ready {
        return Err(AcmeError::Unproved(domain.to_owned()));
    }
    drop(shown);
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![domain.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key)?;
    order.finalize_csr(request.der()).await?;
    let chain = order.poll_certificate(&patience).await?;
    Ok(format!("{}{chain}", key.serialize_pem()))
}
