//! A certificate authority that speaks ACME (RFC 8555), as far as a client of http-01 needs it: it
//! checks every signature and nonce, and fetches the proof from the node.

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, Issuer, KeyPair, PublicKeyData, SignatureAlgorithm};
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

use super::request;

/// A running authority.
pub(crate) struct Authority {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    base: String,
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    /// Where the proof is fetched from, once that is known.
    node: watch::Sender<Option<SocketAddr>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    nonces: HashSet<String>,
    made: u64,
    accounts: Vec<Value>,
    orders: Vec<Order>,
    /// What the clients did, in order.
    log: Vec<String>,
    fails: bool,
}

struct Order {
    domain: String,
    status: &'static str,
    proof: &'static str,
    chain: Option<String>,
}

impl Authority {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "an authority for tests");
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().der().clone();
        let shared = Arc::new(Shared {
            base: format!("http://{address}"),
            issuer: Issuer::new(params, key),
            root,
            node: watch::Sender::new(None),
            state: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                let service = service_fn(move |request| {
                    let shared = Arc::clone(&shared);
                    async move { Ok::<_, Infallible>(answer(&shared, request).await) }
                });
                let builder = hyper::server::conn::http1::Builder::new();
                tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn directory(&self) -> String {
        format!("http://{}/directory", self.address)
    }

    pub(crate) fn root(&self) -> &CertificateDer<'static> {
        &self.shared.root
    }

    /// From now on proofs are fetched from there; until then the authority waits.
    pub(crate) fn knows(&self, node: SocketAddr) {
        self.shared.node.send_replace(Some(node));
    }

    /// From now on new orders are refused.
    pub(crate) fn fails(&self) {
        self.shared.state.lock().unwrap().fails = true;
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().log.clone()
    }
}

/// What a client may be told is wrong.
type Refused = (u16, &'static str);

async fn answer(shared: &Shared, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let body = body.collect().await.unwrap().to_bytes();
    let outcome = match (&parts.method, &*path) {
        (&Method::GET, "/directory") => {
            let base = &shared.base;
            Ok((
                200,
                None,
                json!({
                    "newNonce": format!("{base}/nonce"),
                    "newAccount": format!("{base}/account"),
                    "newOrder": format!("{base}/order"),
                }),
            ))
        }
        (&Method::HEAD, "/nonce") => Ok((200, None, Value::Null)),
        (&Method::POST, _) => post(shared, &path, &body).await,
        _ => Err((405, "malformed")),
    };
    let (status, location, value) = outcome.unwrap_or_else(|(status, kind)| {
        let kind = format!("urn:ietf:params:acme:error:{kind}");
        (status, None, json!({ "type": kind, "status": status }))
    });
    let text = match &value {
        Value::Null => String::new(),
        // A certificate.
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let mut state = shared.state.lock().unwrap();
    state.made += 1;
    let nonce = format!("nonce-{}", state.made);
    state.nonces.insert(nonce.clone());
    let mut response = Response::builder()
        .status(status)
        .header("replay-nonce", nonce);
    if let Some(location) = location {
        response = response.header("location", location);
    }
    response.body(Full::new(Bytes::from(text))).unwrap()
}

type Outcome = Result<(u16, Option<String>, Value), Refused>;

async fn post(shared: &Shared, path: &str, body: &[u8]) -> Outcome {
    let (payload, jwk) = verified(shared, path, body)?;
    let base = &shared.base;
    let mut words = path.trim_start_matches('/').split('/');
    let what = words.next().unwrap_or("");
    let number = words.next().and_then(|number| number.parse::<usize>().ok());
    shared.state.lock().unwrap().log.push(what.to_owned());
    if what == "challenge" {
        return prove(shared, number.ok_or((404, "malformed"))?, &jwk).await;
    }
    let mut state = shared.state.lock().unwrap();
    match (what, number) {
        ("account", None) => {
            if payload["termsOfServiceAgreed"] != true {
                return Err((403, "userActionRequired"));
            }
            state.accounts.push(jwk);
            let location = format!("{base}/account/{}", state.accounts.len() - 1);
            Ok((201, Some(location), json!({ "status": "valid" })))
        }
        ("order", None) => {
            if state.fails {
                return Err((500, "serverInternal"));
            }
            let domain = payload["identifiers"][0]["value"].as_str();
            let domain = domain.ok_or((400, "malformed"))?.to_owned();
            state.orders.push(Order {
                domain,
                status: "pending",
                proof: "pending",
                chain: None,
            });
            let number = state.orders.len() - 1;
            let location = format!("{base}/order/{number}");
            Ok((201, Some(location), order(base, &state, number)))
        }
        ("order", Some(number)) => Ok((200, None, order(base, &state, number))),
        ("authorization", Some(number)) => Ok((200, None, authorization(base, &state, number))),
        ("finalize", Some(number)) => {
            let known = &state.orders[number];
            if known.status != "ready" {
                return Err((403, "orderNotReady"));
            }
            let chain = issue(shared, &known.domain, &payload)?;
            state.orders[number].chain = Some(chain);
            state.orders[number].status = "valid";
            Ok((200, None, order(base, &state, number)))
        }
        ("certificate", Some(number)) => {
            let chain = state.orders[number].chain.clone();
            Ok((200, None, Value::String(chain.ok_or((404, "malformed"))?)))
        }
        _ => Err((404, "malformed")),
    }
}

fn order(base: &str, state: &State, number: usize) -> Value {
    let order = &state.orders[number];
    let mut value = json!({
        "status": order.status,
        "identifiers": [{ "type": "dns", "value": order.domain }],
        "authorizations": [format!("{base}/authorization/{number}")],
        "finalize": format!("{base}/finalize/{number}"),
    });
    if order.chain.is_some() {
        value["certificate"] = json!(format!("{base}/certificate/{number}"));
    }
    value
}

fn challenge(base: &str, state: &State, number: usize) -> Value {
    json!({
        "type": "http-01",
        "url": format!("{base}/challenge/{number}"),
        "token": format!("token-{number}"),
        "status": state.orders[number].proof,
    })
}

fn authorization(base: &str, state: &State, number: usize) -> Value {
    let order = &state.orders[number];
    json!({
        "identifier": { "type": "dns", "value": order.domain },
        "status": order.proof,
        "challenges": [
            { "type": "dns-01", "url": format!("{base}/none"), "token": "t", "status": "pending" },
            challenge(base, state, number),
        ],
    })
}

/// Fetches the proof (RFC 8555, section 8.3).
async fn prove(shared: &Shared, number: usize, jwk: &Value) -> Outcome {
    let mut known = shared.node.subscribe();
    let node = known.wait_for(Option::is_some).await.unwrap().unwrap();
    let domain = shared.state.lock().unwrap().orders[number].domain.clone();
    let token = format!("token-{number}");
    let ask = Request::get(format!("/.well-known/acme-challenge/{token}"))
        .header("host", domain)
        .body(String::new())
        .unwrap();
    let found = request(node, ask).await;
    // RFC 7638: the members in order of the alphabet.
    let canonical = format!(
        r#"{{"crv":{},"kty":{},"x":{},"y":{}}}"#,
        jwk["crv"], jwk["kty"], jwk["x"], jwk["y"]
    );
    let thumbprint = B64.encode(digest(&SHA256, canonical.as_bytes()));
    let proved = found.status == 200 && found.body == format!("{token}.{thumbprint}");
    let mut state = shared.state.lock().unwrap();
    let order = &mut state.orders[number];
    (order.proof, order.status) = match proved {
        true => ("valid", "ready"),
        false => ("invalid", "invalid"),
    };
    Ok((200, None, challenge(&shared.base, &state, number)))
}

/// The payload and the key of a request whose signature and nonce are right (RFC 8555, section 6.2).
fn verified(shared: &Shared, path: &str, body: &[u8]) -> Result<(Value, Value), Refused> {
    let bad = (400, "malformed");
    let jws: Value = serde_json::from_slice(body).map_err(|_| bad)?;
    let part = |name: &str| jws[name].as_str().ok_or(bad);
    let decode = |text: &str| B64.decode(text).map_err(|_| bad);
    let (protected, payload) = (part("protected")?, part("payload")?);
    let header: Value = serde_json::from_slice(&decode(protected)?).map_err(|_| bad)?;
    if header["alg"] != "ES256" || header["url"] != format!("{}{path}", shared.base) {
        return Err((400, "unauthorized"));
    }
    let mut state = shared.state.lock().unwrap();
    let nonce = header["nonce"].as_str().ok_or(bad)?;
    if !state.nonces.remove(nonce) {
        return Err((400, "badNonce"));
    }
    let jwk = match header["kid"].as_str() {
        Some(kid) => {
            let number = kid.strip_prefix(&format!("{}/account/", shared.base));
            let number = number.and_then(|number| number.parse::<usize>().ok());
            let known = number.and_then(|number| state.accounts.get(number));
            known.cloned().ok_or((400, "accountDoesNotExist"))?
        }
        None => header["jwk"].clone(),
    };
    let coordinate = |name: &str| decode(jwk[name].as_str().ok_or(bad)?);
    let key = [vec![4], coordinate("x")?, coordinate("y")?].concat();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key)
        .verify(
            format!("{protected}.{payload}").as_bytes(),
            &decode(part("signature")?)?,
        )
        .map_err(|_| (403, "unauthorized"))?;
    let payload = match payload {
        "" => Value::Null,
        payload => serde_json::from_slice(&decode(payload)?).map_err(|_| bad)?,
    };
    Ok((payload, jwk))
}

/// A public key out of a request for a certificate.
struct Requested(Vec<u8>);

impl PublicKeyData for Requested {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

fn issue(shared: &Shared, domain: &str, payload: &Value) -> Result<String, Refused> {
    let bad = (400, "badCSR");
    let csr = B64
        .decode(payload["csr"].as_str().ok_or(bad)?)
        .map_err(|_| bad)?;
    let (_, csr) = X509CertificationRequest::from_der(&csr).map_err(|_| bad)?;
    let key = &csr
        .certification_request_info
        .subject_pki
        .subject_public_key;
    let asked = csr.requested_extensions().into_iter().flatten();
    let asks_for_it = asked.into_iter().any(|extension| {
        use x509_parser::extensions::{GeneralName, ParsedExtension};
        matches!(extension, ParsedExtension::SubjectAlternativeName(names)
            if names.general_names == [GeneralName::DNSName(domain)])
    });
    if !asks_for_it {
        return Err(bad);
    }
    let params = CertificateParams::new(vec![domain.to_owned()]).map_err(|_| bad)?;
    let certificate = params.signed_by(&Requested(key.data.to_vec()), &shared.issuer);
    Ok(certificate.map_err(|_| bad)?.pem())
}
