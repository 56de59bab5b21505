//! A minimal HTTP client, so that the registry is not tested with its own library.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// A response, and how the connection ended.
#[derive(Debug, Default)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// The raw body: if chunked, with the chunk sizes.
    pub(crate) body: Vec<u8>,
    pub(crate) reset: bool,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(key, _)| key == name)
            .map(|(_, value)| &**value)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Sends a request on a new connection and reads until that ends.
pub(crate) fn request(address: SocketAddr, method: &str, path: &str, headers: &[&str]) -> Response {
    read(begin(address, method, path, headers))
}

/// Reads until the connection ends.
pub(crate) fn read(mut stream: TcpStream) -> Response {
    let mut bytes = Vec::new();
    let reset = match stream.read_to_end(&mut bytes) {
        Ok(_) => false,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => true,
        Err(error) => panic!("{error}"),
    };
    Response {
        reset,
        ..parse(&bytes)
    }
}

/// Sends a GET that accepts any type.
pub(crate) fn get(address: SocketAddr, path: &str, headers: &[&str]) -> Response {
    let headers = [headers, &["Accept: */*"]].concat();
    request(address, "GET", path, &headers)
}

/// Sends a request and returns the connection.
pub(crate) fn begin(address: SocketAddr, method: &str, path: &str, headers: &[&str]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n");
    for header in headers.iter().chain(&["Connection: close"]) {
        request += header;
        request += "\r\n";
    }
    stream
        .write_all(format!("{request}\r\n").as_bytes())
        .unwrap();
    stream
}

fn parse(bytes: &[u8]) -> Response {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Response {
            body: bytes.to_vec(),
            ..Response::default()
        };
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    Response {
        status: status.parse().unwrap(),
        headers: headers
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        body: bytes[end + 4..].to_vec(),
        reset: false,
    }
}
