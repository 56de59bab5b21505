//! What the tests have in common: a transport, requests, names without name servers.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use windlass_http::{
    AddressLookup, BodyTimeout, ClientTls, Connection, NameResolver, Response, SendError, Transport,
};

/// Longer than any test runs.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// Not longer than a test may wait for what is not to come.
pub(crate) const SHORT: Duration = Duration::from_millis(200);

/// Waits for anything.
pub(crate) const PATIENT: BodyTimeout = BodyTimeout {
    stall: LONG,
    floor: 1,
};

/// The names of a test, and their addresses.
pub(crate) struct Names(HashMap<&'static str, Vec<IpAddr>>);

impl Names {
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

impl NameResolver for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> AddressLookup<'a> {
        Box::pin(async move {
            let found = self.0.get(name.trim_end_matches('.')).cloned();
            found.ok_or_else(|| io::Error::other("Name or service not known"))
        })
    }
}

/// A connection without anything special, but patient.
pub(crate) fn connection() -> Connection {
    Connection {
        connect: LONG,
        user_agent: "test/1".to_owned(),
        ..Connection::default()
    }
}

/// A connection that trusts `authority`.
pub(crate) fn trusting(authority: &[u8]) -> Connection {
    Connection {
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

/// Gets the whole body, which must come.
pub(crate) async fn text(transport: &Transport, url: &str) -> String {
    read(get(transport, url).await.unwrap()).await
}

pub(crate) async fn read(response: Response) -> String {
    let body = response.into_body(PATIENT).whole(1 << 20).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

/// The error and its causes, as they are shown.
pub(crate) fn shown(error: &SendError) -> String {
    let mut shown = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        shown = format!("{shown}: {error}");
        source = error.source();
    }
    shown
}
