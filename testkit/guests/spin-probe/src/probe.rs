//! The handler.

use spin_sdk::experimental::wasi::config::store as config;
use spin_sdk::experimental::wasi::keyvalue::{atomics, batch, store as keyvalue};
use spin_sdk::http::{
    EmptyBody, IntoResponse, Method, Request, StatusCode, body::IncomingBodyExt, send,
};
use spin_sdk::http_service;
use spin_sdk::key_value::Store;
use spin_sdk::variables;

type Answer = (StatusCode, String);

#[http_service]
async fn probe(request: Request) -> impl IntoResponse {
    answer(request)
        .await
        .unwrap_or_else(|error| (StatusCode::BAD_GATEWAY, error))
}

async fn answer(request: Request) -> Result<Answer, String> {
    let path = request.uri().path().to_owned();
    let mut words = path.splitn(4, '/').skip(1);
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (deed, what, key) = (word(), word(), word());
    Ok(match deed.as_str() {
        "headers" => ok(headers(&request)),
        "environment" => ok(lines(std::env::vars())),
        "variables" => ok(variables::get(&what).await.map_err(debug)?),
        "config" if what.is_empty() => ok(lines(config::get_all().map_err(debug)?)),
        "config" => ok(config::get(&what)
            .map_err(debug)?
            .unwrap_or_else(|| "none".to_owned())),
        "kv" => key_value(request, &what, &key).await?,
        "keyvalue" => wasi_keyvalue(request, &what, key).await?,
        "increment" => {
            let bucket = keyvalue::open(&what).map_err(debug)?;
            ok(atomics::increment(&bucket, &key, 1)
                .map_err(debug)?
                .to_string())
        }
        "cas" => ok(compare_and_swap(&what, &key)?.to_string()),
        "batch" => ok(batch_of_three(&what)?),
        "hoard" => ok(hoard(&what)?.to_string()),
        "fetch" => fetch(request.uri().query().unwrap_or_default()).await?,
        _ => ok(path),
    })
}

fn ok(text: String) -> Answer {
    (StatusCode::OK, text)
}

fn debug(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

fn lines(pairs: impl IntoIterator<Item = (String, String)>) -> String {
    let mut lines: Vec<String> = pairs.into_iter().map(|(k, v)| format!("{k}={v}")).collect();
    lines.sort();
    lines.join("\n")
}

fn headers(request: &Request) -> String {
    let spin = request.headers().iter();
    let spin = spin.filter(|(name, _)| name.as_str().starts_with("spin-"));
    lines(spin.map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.to_string(), value)
    }))
}

fn found(value: Option<Vec<u8>>) -> Answer {
    match value {
        Some(value) => ok(String::from_utf8_lossy(&value).into_owned()),
        None => (StatusCode::NOT_FOUND, "none".to_owned()),
    }
}

async fn body(request: Request) -> Result<Vec<u8>, String> {
    let bytes = request.into_body().bytes().await.map_err(debug)?;
    Ok(bytes.to_vec())
}

async fn key_value(request: Request, label: &str, key: &str) -> Result<Answer, String> {
    let store = Store::open(label).await.map_err(debug)?;
    if key.is_empty() {
        let mut keys = store.get_keys().await.collect().await.map_err(debug)?;
        keys.sort();
        return Ok(ok(keys.join(" ")));
    }
    Ok(match *request.method() {
        Method::PUT => {
            let value = body(request).await?;
            store.set(key, value).await.map_err(debug)?;
            ok(String::new())
        }
        Method::DELETE => {
            store.delete(key).await.map_err(debug)?;
            ok(store.exists(key).await.map_err(debug)?.to_string())
        }
        _ => found(store.get(key).await.map_err(debug)?),
    })
}

async fn wasi_keyvalue(request: Request, label: &str, key: String) -> Result<Answer, String> {
    let bucket = keyvalue::open(label).map_err(debug)?;
    if key.is_empty() {
        let mut keys = Vec::new();
        let mut cursor = None;
        loop {
            let page = bucket.list_keys(cursor.as_deref()).map_err(debug)?;
            keys.extend(page.keys);
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(ok(format!("{} {}", keys.len(), keys.concat())));
            }
        }
    }
    Ok(match *request.method() {
        Method::PUT => {
            let value = body(request).await?;
            bucket.set(&key, &value).map_err(debug)?;
            ok(String::new())
        }
        Method::DELETE => {
            bucket.delete(&key).map_err(debug)?;
            ok(bucket.exists(&key).map_err(debug)?.to_string())
        }
        _ => found(bucket.get(&key).map_err(debug)?),
    })
}

fn compare_and_swap(label: &str, key: &str) -> Result<u32, String> {
    let bucket = keyvalue::open(label).map_err(debug)?;
    let mut cas = atomics::Cas::new(&bucket, key).map_err(debug)?;
    for tries in 1.. {
        let current = cas.current().map_err(debug)?;
        let current = current.map_or(Ok(0), |value| {
            String::from_utf8_lossy(&value).parse::<u64>()
        });
        let next = current.map_err(debug)? + 1;
        match atomics::swap(cas, next.to_string().as_bytes()) {
            Ok(()) => return Ok(tries),
            Err(atomics::CasError::CasFailed(again)) => cas = again,
            Err(atomics::CasError::StoreError(error)) => return Err(debug(error)),
        }
    }
    Err("no end of tries".to_owned())
}

fn hoard(label: &str) -> Result<usize, String> {
    let bucket = keyvalue::open(label).map_err(debug)?;
    let mut hoard = Vec::new();
    loop {
        match atomics::Cas::new(&bucket, "hoarded") {
            Ok(cas) => hoard.push(cas),
            Err(_) => return Ok(hoard.len()),
        }
    }
}

fn batch_of_three(label: &str) -> Result<String, String> {
    let bucket = keyvalue::open(label).map_err(debug)?;
    let entries = [("batch-1", "one"), ("batch-2", "two"), ("batch-3", "three")]
        .map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()));
    batch::set_many(&bucket, &entries).map_err(debug)?;
    batch::delete_many(&bucket, &["batch-2".to_owned()]).map_err(debug)?;
    let keys = entries.map(|(key, _)| key);
    let values = batch::get_many(&bucket, &keys).map_err(debug)?;
    Ok(lines(values.into_iter().map(|(key, value)| {
        let value = value.map_or_else(
            || "none".into(),
            |v| String::from_utf8_lossy(&v).into_owned(),
        );
        (key, value)
    })))
}

async fn fetch(url: &str) -> Result<Answer, String> {
    let request = spin_sdk::http::Request::get(url).body(EmptyBody::new());
    let response = send(request.map_err(debug)?).await.map_err(debug)?;
    let status = response.status();
    let body = response.into_body().bytes().await.map_err(debug)?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
