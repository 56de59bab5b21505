//! Shared helpers: transports, requests, and a resolver with static names.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use windlass_http::{
    AddressLookup, BodyTimeout, ClientTls, ConnectionConfig, NameResolver, Response, SendError,
    Transport,
};
pub(crate) use windlass_oci::text::error_chain;
pub(crate) use windlass_testing::without_times;

/// A timeout that no test reaches.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// A timeout that a test waits for.
pub(crate) const SHORT: Duration = Duration::from_millis(200);

/// Limits that no body exceeds.
pub(crate) const LONG_STALL: BodyTimeout = BodyTimeout {
    stall: LONG,
    floor: 1,
};

/// A resolver with static names.
pub(crate) struct StaticNames(HashMap<&'static str, Vec<IpAddr>>);

impl StaticNames {
    pub(crate) fn new(names: &[(&'static str, &[&str])]) -> Self {
        let parse = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
        Self(
            names
                .iter()
                .map(|(name, list)| (*name, parse(list)))
                .collect(),
        )
    }
}

impl NameResolver for StaticNames {
    fn resolve<'a>(&'a self, name: &'a str) -> AddressLookup<'a> {
        Box::pin(async move {
            let found = self.0.get(name.trim_end_matches('.')).cloned();
            found.ok_or_else(|| io::Error::other("Name or service not known"))
        })
    }
}

/// A default configuration with a long connect timeout.
pub(crate) fn connection() -> ConnectionConfig {
    ConnectionConfig {
        connect: LONG,
        user_agent: "test/1".to_owned(),
        ..ConnectionConfig::default()
    }
}

/// A configuration that trusts `authority`.
pub(crate) fn trusting(authority: &[u8]) -> ConnectionConfig {
    ConnectionConfig {
        tls: ClientTls {
            roots: vec![authority.to_vec()],
            ..ClientTls::default()
        },
        ..connection()
    }
}

pub(crate) fn transport() -> Transport {
    Transport::new(&connection()).unwrap()
}

pub(crate) fn request(method: Method, url: &str) -> Request<Bytes> {
    let builder = Request::builder().method(method).uri(url);
    builder.body(Bytes::new()).unwrap()
}

pub(crate) async fn get(transport: &Transport, url: &str) -> Result<Response, SendError> {
    transport.send(request(Method::GET, url), LONG).await
}

/// Returns the whole body of a successful request.
pub(crate) async fn text(transport: &Transport, url: &str) -> String {
    read(get(transport, url).await.unwrap()).await
}

pub(crate) async fn read(response: Response) -> String {
    let body = response
        .into_body(LONG_STALL)
        .read_to_end(1 << 20)
        .await
        .unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}
