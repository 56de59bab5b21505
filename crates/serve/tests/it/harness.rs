//! What the tests share: a store with images, a server, and a client that sends raw bytes.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::oneshot;
use windlass::image::Digest;
use windlass::registry::Caller;
use windlass::store::StoredContent;
use windlass::transfer::Throttle;
use windlass::{Engine, EngineConfig, OpenMode, PullRequest, RemoveOptions};
use windlass_listen::Listener;
use windlass_serve::{ListenAddress, RegistryServer, RequestLogEntry, ServeConfig, ServeReport};
use windlass_testing::{
    ImageBuilder, IndexBuilder, LayerBuilder, PackedImage, PackedIndex, Registry,
};

/// After this a test counts as stuck.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A store in a temporary directory, and the registry that its images are pulled from.
pub(crate) struct TestStore {
    pub(crate) directory: TempDir,
    registry: Registry,
}

/// A running server.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) log: Arc<Mutex<Vec<RequestLogEntry>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<ServeReport>>,
}

/// A response, parsed.
#[derive(Debug)]
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl TestStore {
    /// A store that does not exist.
    pub(crate) fn nothing() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            registry: Registry::start(),
        }
    }

    /// A store with `image`, tagged with `names`.
    pub(crate) fn with(image: impl Into<PackedImage>, names: &[&str]) -> (Self, PackedImage) {
        let store = Self::nothing();
        let image = store.add(image, names);
        (store, image)
    }

    /// Pulls an image into the store, and tags it with `names` only.
    pub(crate) fn add(&self, image: impl Into<PackedImage>, names: &[&str]) -> PackedImage {
        let image = self.registry.push(image, "app:1");
        self.pull(names);
        image
    }

    /// Pulls the image of an index for this machine into the store.
    pub(crate) fn add_index(&self, index: IndexBuilder, names: &[&str]) -> PackedIndex {
        let index = self.registry.push_index(index, "app:1");
        self.pull(names);
        index
    }

    fn pull(&self, names: &[&str]) {
        let name = self.registry.name("app:1");
        let request = PullRequest {
            reference: name.parse().unwrap(),
            platform: None,
            artifacts: Vec::new(),
            caller: Caller::anonymous(),
            throttle: Throttle::unlimited(),
        };
        self.own(|engine| {
            let runtime = runtime();
            runtime
                .block_on(async { engine.pull(request.clone()).await })
                .unwrap();
            for name in names {
                let source = request.reference.to_string().parse().unwrap();
                engine.tag(&source, &name.parse().unwrap()).unwrap();
            }
            engine
                .remove(&name.parse().unwrap(), RemoveOptions::default())
                .unwrap();
        });
    }

    pub(crate) fn remove(&self, name: &str) {
        self.own(|engine| {
            engine
                .remove(&name.parse().unwrap(), RemoveOptions::default())
                .unwrap();
        });
    }

    fn own(&self, work: impl FnOnce(&Engine)) {
        let purpose = "a test";
        let config = EngineConfig::new(self.root());
        let engine = Engine::open(config, OpenMode::Exclusive { purpose }, |_| {}).unwrap();
        work(&engine);
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    /// The file of a blob in the store.
    pub(crate) fn file_of(&self, digest: &Digest) -> PathBuf {
        self.root().join("blobs/sha256").join(digest.hex())
    }

    /// Serves the store on a free port.
    pub(crate) fn serve(&self) -> TestServer {
        TestServer::start(&self.root(), ServeConfig::default())
    }
}

impl TestServer {
    pub(crate) fn start(root: &Path, config: ServeConfig) -> Self {
        let address: ListenAddress = "127.0.0.1:0".parse().unwrap();
        let listener = address.bind().unwrap();
        Self::on(listener, root, config)
    }

    pub(crate) fn on(listener: Listener, root: &Path, mut config: ServeConfig) -> Self {
        let log: Arc<Mutex<Vec<RequestLogEntry>>> = Arc::default();
        let entries = Arc::clone(&log);
        config.on_response = Some(Arc::new(move |entry| entries.lock().unwrap().push(entry)));
        let no_address = ([0, 0, 0, 0], 0).into();
        let address = listener.tcp_address().unwrap_or(no_address);
        let content = Arc::new(StoredContent::at(root.to_owned()).unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let server = RegistryServer::new(content, config);
            let until = async { drop(stopped.await) };
            runtime()
                .block_on(server.run(vec![listener], until))
                .unwrap()
        });
        Self {
            address,
            log,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Shuts the server down.
    pub(crate) fn stop(mut self) -> ServeReport {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    /// Sends bytes, and returns all that is received until the server closes the connection.
    pub(crate) fn send(&self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        let mut stream = self.connect();
        // The server may have closed the connection already.
        drop(stream.write_all(bytes.as_ref()));
        let mut response = Vec::new();
        drop(stream.read_to_end(&mut response));
        response
    }

    /// Sends a request with additional header fields, `Name: value`.
    pub(crate) fn request(&self, method: &str, target: &str, fields: &[&str]) -> HttpResponse {
        let mut request = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
        if !fields.iter().any(|field| field.starts_with("Host:")) {
            write!(request, "Host: {}\r\n", self.address).unwrap();
        }
        for field in fields {
            write!(request, "{field}\r\n").unwrap();
        }
        HttpResponse::parse(&self.send(request + "\r\n"))
    }

    pub(crate) fn get(&self, target: &str) -> HttpResponse {
        self.request("GET", target, &[])
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(
                ended.is_ok() || std::thread::panicking(),
                "the server panicked"
            );
        }
    }
}

impl HttpResponse {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = bytes[end + 4..].to_vec();
        Self { status, head, body }
    }

    /// Returns a header field; empty if it is missing.
    pub(crate) fn field(&self, name: &str) -> &str {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        values.next().map_or("", |(_, value)| value)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Returns the code of an error response.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.field("content-type"), "application/json", "{self:?}");
        let code = &self.json()["errors"][0]["code"];
        code.as_str().unwrap().to_owned()
    }

    /// Returns the status and the code of an error response.
    pub(crate) fn error(&self) -> (u16, String) {
        (self.status, self.code())
    }
}

/// An image with one small layer of its own.
pub(crate) fn image(content: &str) -> ImageBuilder {
    ImageBuilder::new().layer(LayerBuilder::new().file("file", content))
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
