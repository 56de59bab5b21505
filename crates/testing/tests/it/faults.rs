//! Scripted faults: each happens as configured, once, and then the registry responds normally.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use windlass_testing::{
    Gate, ImageBuilder, LayerBuilder, PackedLayer, RangeFault, RecordedRequest, Registry,
};

use crate::client::{Response, begin, get, request};

/// A registry with one blob, and the path of it.
struct Fixture {
    registry: Registry,
    layer: PackedLayer,
    path: String,
}

fn fixture() -> Fixture {
    let registry = Registry::start();
    let layer = LayerBuilder::of_size(3 << 20).pack();
    registry.push_layer(&layer, "app");
    let path = format!("/v2/app/blobs/{}", layer.digest);
    Fixture {
        registry,
        layer,
        path,
    }
}

impl Fixture {
    fn address(&self) -> SocketAddr {
        self.registry.address()
    }

    fn get(&self, headers: &[&str]) -> Response {
        get(self.address(), &self.path, headers)
    }

    fn is_whole(&self) -> bool {
        let answer = self.get(&[]);
        answer.status == 200 && answer.body == self.layer.bytes
    }
}

#[test]
fn cuts_exactly_at_the_offset_and_only_once() {
    let it = fixture();
    it.registry
        .blob(&it.layer.digest)
        .cut_after(1 << 20)
        .then_ok();
    let cut = it.get(&[]);
    assert_eq!(
        (cut.status, cut.body.len(), cut.reset),
        (200, 1 << 20, false)
    );
    assert!(
        cut.body == it.layer.bytes[..1 << 20],
        "other bytes were received"
    );
    assert_eq!(
        cut.header("content-length"),
        Some(&*it.layer.size.to_string())
    );
    let rest = it.get(&["Range: bytes=1048576-"]);
    assert!(
        rest.body == it.layer.bytes[1 << 20..],
        "other bytes were received"
    );
    let sent: Vec<_> = it
        .registry
        .requests()
        .iter()
        .map(RecordedRequest::sent)
        .collect();
    assert_eq!(sent, [1 << 20, it.layer.size - (1 << 20)]);
}

#[test]
fn cuts_before_the_first_byte_and_in_the_middle_of_a_chunk() {
    let it = fixture();
    let blob = it.registry.blob(&it.layer.digest);
    drop(
        blob.cut_after(0)
            .then()
            .cut_after(1)
            .then()
            .cut_after(20_001),
    );
    assert_eq!(it.get(&[]).body.len(), 0);
    assert_eq!(it.get(&[]).body.len(), 1);
    assert_eq!(it.get(&[]).body.len(), 20_001);
    assert!(it.is_whole());
}

#[test]
fn resets() {
    let it = fixture();
    it.registry
        .blob(&it.layer.digest)
        .reset_after(1000)
        .then_ok();
    assert!(it.get(&[]).reset);
    assert!(it.is_whole());
}

#[test]
fn repeats_a_status() {
    let it = fixture();
    let blob = it.registry.blob(&it.layer.digest);
    blob.status(429)
        .retry_after(2)
        .times(2)
        .then()
        .status(503)
        .then_ok();
    for status in [429, 429, 503] {
        let answer = it.get(&[]);
        assert_eq!(answer.status, status);
        let after = (status == 429).then_some("2");
        assert_eq!(answer.header("retry-after"), after);
    }
    assert!(it.is_whole());
    it.registry.blob(&it.layer.digest).status(500).forever();
    for _ in 0..5 {
        assert_eq!(it.get(&[]).status, 500);
    }
}

#[test]
fn corrupts_a_byte_for_any_range() {
    let it = fixture();
    it.registry
        .blob(&it.layer.digest)
        .corrupt(2_000_000)
        .times(2)
        .then_ok();
    let mut expected = it.layer.bytes.to_vec();
    expected[2_000_000] ^= 1;
    assert!(it.get(&[]).body == expected);
    assert!(it.get(&["Range: bytes=1999999-"]).body == expected[1_999_999..]);
    assert!(it.is_whole());
}

#[test]
fn redirects() {
    let it = fixture();
    let url = "http://127.0.0.9:1/elsewhere?signature=secret";
    it.registry
        .blob(&it.layer.digest)
        .redirect_to(url)
        .then_ok();
    let answer = it.get(&[]);
    assert_eq!(answer.status, 307);
    assert_eq!(answer.header("location"), Some(url));
    assert_eq!(answer.body, b"");
}

/// T32: each wrong response to a range is the configured one.
#[test]
fn responds_wrongly_to_ranges() {
    let registry = Registry::start();
    let digest = registry.put_blob("app", &b"0123456789"[..]);
    let path = format!("/v2/app/blobs/{digest}");
    let response_with = |fault| {
        registry.blob(&digest).range(fault).then_ok();
        let answer = get(registry.address(), &path, &["Range: bytes=4-"]);
        let range = answer.header("content-range").map(str::to_owned);
        let body = String::from_utf8(answer.body).unwrap();
        (answer.status, range.unwrap_or_default(), body)
    };
    let expected =
        |status: u16, range: &str, body: &str| (status, range.to_owned(), body.to_owned());
    assert_eq!(
        response_with(RangeFault::Ignored),
        expected(200, "", "0123456789")
    );
    assert_eq!(
        response_with(RangeFault::StartsLate),
        expected(206, "bytes 5-9/10", "56789")
    );
    assert_eq!(
        response_with(RangeFault::FromTheStart),
        expected(206, "bytes 4-9/10", "012345")
    );
    assert_eq!(
        response_with(RangeFault::Unlabelled),
        expected(206, "", "456789")
    );
    assert_eq!(
        response_with(RangeFault::OtherTotal),
        expected(206, "bytes 4-9/11", "456789")
    );
    assert_eq!(
        response_with(RangeFault::Shorter),
        expected(206, "bytes 4-6/10", "456")
    );
    assert_eq!(response_with(RangeFault::Unsatisfiable).0, 416);
    let (status, _, body) = response_with(RangeFault::Multipart);
    assert_eq!(
        (status, body.matches("\r\n\r\n456789\r\n").count()),
        (206, 2)
    );
    let honest = get(registry.address(), &path, &["Range: bytes=4-"]);
    assert_eq!(&*honest.body, b"456789");
}

#[test]
fn sends_other_bytes_under_the_true_headers() {
    let registry = Registry::start();
    let image = registry.push(ImageBuilder::new(), "app:1");
    registry.manifest("1").body("{}").then_ok();
    let answer = get(registry.address(), "/v2/app/manifests/1", &[]);
    let digest = image.digest.to_string();
    assert_eq!((answer.status, &*answer.body), (200, &b"{}"[..]));
    assert_eq!(answer.header("docker-content-digest"), Some(&*digest));
    assert_eq!(answer.header("content-length"), Some("2"));
}

#[test]
fn headers_are_set_and_left_out() {
    let registry = Registry::start();
    registry.push(ImageBuilder::new(), "app:1");
    let head = registry.manifest("1").for_head();
    head.header("content-length", "10737418240").then_ok();
    let get_script = registry
        .manifest("1")
        .without_header("docker-content-digest");
    get_script.without_header("content-length").then_ok();
    let path = "/v2/app/manifests/1";
    let head = request(registry.address(), "HEAD", path, &["Accept: */*"]);
    assert_eq!(head.header("content-length"), Some("10737418240"));
    let chunked = get(registry.address(), path, &[]);
    assert_eq!(chunked.header("docker-content-digest"), None);
    assert_eq!(chunked.header("transfer-encoding"), Some("chunked"));
}

#[test]
fn sends_without_an_end() {
    let it = fixture();
    it.registry.blob(&it.layer.digest).endless().then_ok();
    let mut stream = begin(it.address(), "GET", &it.path, &[]);
    let mut bytes = vec![0; 10 << 20];
    stream.read_exact(&mut bytes).unwrap();
    assert!(bytes.ends_with(b"~~~~"));
    let length = (1_u64 << 62).to_string();
    let blob = it.registry.blob(&it.layer.digest).endless();
    blob.header("content-length", length).cut_after(5).then_ok();
    assert_eq!(it.get(&[]).body, b"~~~~~");
}

#[test]
fn stalls_without_closing() {
    let it = fixture();
    it.registry
        .blob(&it.layer.digest)
        .stall_after(100_000)
        .then_ok();
    let stream = begin(it.address(), "GET", &it.path, &[]);
    let bytes = until_silent(stream);
    let head = bytes.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(bytes.len() - head, 100_000);
    assert!(it.is_whole());
}

/// Reads until nothing has arrived for a while: the only way to observe a stall.
fn until_silent(mut stream: TcpStream) -> Vec<u8> {
    stream
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => panic!("the connection was closed"),
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(_) => return bytes,
        }
    }
}

#[test]
fn holds_an_answer_until_the_gate_opens() {
    let it = fixture();
    let gate = it.registry.blob(&it.layer.digest).hold();
    let address = it.address();
    let path = it.path.clone();
    let client = std::thread::spawn(move || get(address, &path, &[]));
    gate.wait_for(1);
    assert_eq!(it.registry.requests()[0].status, None);
    assert!(it.is_whole(), "another request is not held");
    gate.open();
    assert!(client.join().unwrap().body == it.layer.bytes);
}

#[tokio::test]
async fn holds_the_rest_of_a_body_until_the_gate_opens() {
    let it = fixture();
    let gate = Gate::new();
    let blob = it.registry.blob(&it.layer.digest);
    drop(blob.held_by_after(&gate, 50_000).times(2));
    let (address, path) = (it.address(), it.path.clone());
    let request = move || get(address, &path, &[]);
    let clients = [
        tokio::task::spawn_blocking(request.clone()),
        tokio::task::spawn_blocking(request),
    ];
    gate.reached(2).await;
    let sent: Vec<_> = it
        .registry
        .requests()
        .iter()
        .map(RecordedRequest::sent)
        .collect();
    assert_eq!(sent, [50_000, 50_000]);
    gate.open();
    for client in clients {
        assert!(client.await.unwrap().body == it.layer.bytes);
    }
}

/// The only test that measures time; it can only take longer than the minimum.
#[test]
fn throttles() {
    let registry = Registry::start();
    let digest = registry.put_blob("app", vec![0; 20_000]);
    let path = format!("/v2/app/blobs/{digest}");
    registry.blob(&digest).throttle(100_000).then_ok();
    let start = Instant::now();
    assert_eq!(get(registry.address(), &path, &[]).body.len(), 20_000);
    assert!(start.elapsed() >= Duration::from_millis(190));
}

#[test]
fn writes_raw_bytes_that_http_would_refuse() {
    let it = fixture();
    let raw = "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nbody";
    it.registry.blob(&it.layer.digest).raw(raw).then_ok();
    let answer = it.get(&[]);
    assert_eq!(answer.header("Content-Length"), Some("-1"));
    assert_eq!(answer.body, b"body");
    assert!(it.is_whole());
}

#[test]
fn resets_connections_and_is_restored() {
    let it = fixture();
    let gate = it.registry.blob(&it.layer.digest).hold_after(1000);
    let mut open = begin(it.address(), "GET", &it.path, &[]);
    gate.wait_for(1);
    it.registry.reset_connections();
    assert!(open.read_to_end(&mut Vec::new()).is_err(), "it was reset");
    let refused = TcpStream::connect(it.address()).and_then(|mut it| it.read(&mut [0; 1]));
    assert!(refused.is_err(), "a new connection is reset: {refused:?}");
    it.registry.restore();
    assert!(it.is_whole());
}

#[test]
fn scripts_any_path() {
    let registry = Registry::start();
    registry
        .path("/cdn/x")
        .status(401)
        .header("www-authenticate", "Bearer realm=\"r\"")
        .then_ok();
    let answer = get(registry.address(), "/cdn/x", &[]);
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer realm=\"r\"")
    );
    registry.ping().status(503).then_ok();
    assert_eq!(get(registry.address(), "/v2/", &[]).status, 503);
    assert_eq!(get(registry.address(), "/v2/", &[]).status, 200);
}

/// A mistake in a script must not look like a fault of the tested code.
#[test]
#[should_panic(expected = "the registry panicked")]
fn an_impossible_script_fails_the_test() {
    let it = fixture();
    it.registry
        .blob(&it.layer.digest)
        .corrupt(1 << 40)
        .then_ok();
    it.get(&[]);
}
