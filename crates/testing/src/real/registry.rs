//! Debian's `docker-registry` as a child process.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use super::{command, run};

/// The user whom [`Access::Basic`] lets in.
pub const USER: &str = "bosun";
/// The password of [`USER`].
pub const PASSWORD: &str = "heave-ho";
/// [`USER`] and [`PASSWORD`] as `htpasswd -B` writes them.
const HTPASSWD: &str = "bosun:$2y$04$tPOfpdnx5.z7V1F4jGqwa.j0janoD8kBYuVwJBIkmjrK9tFUEPEmy\n";

/// How long the server may take to say where it listens.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Whom the registry serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Open,
    /// [`USER`] with [`PASSWORD`], by HTTP Basic.
    Basic,
}

/// A running `docker-registry` on a loopback port of the kernel's choosing; killed on drop.
#[derive(Debug)]
pub struct DockerRegistry {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
    access: Access,
}

/// One line of the server's access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedRequest {
    /// The method.
    pub method: String,
    /// The path and query, as asked.
    pub path: String,
    /// The status answered.
    pub status: u16,
}

impl DockerRegistry {
    /// Starts the server with its configuration, log and content in `dir`; content that is already
    /// there is served.
    ///
    /// # Errors
    /// When the server is missing, or ends or stays silent instead of listening.
    pub fn start(dir: &Path, access: Access) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let log = dir.join("log");
        let config = dir.join("config.json");
        fs::write(dir.join("htpasswd"), HTPASSWD)?;
        fs::write(&config, configuration(dir, access).to_string())?;
        let out = File::create(&log)?;
        let child = command("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()?;
        let unspecified = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut registry = Self {
            child,
            address: unspecified,
            log,
            access,
        };
        registry.address = registry.wait_until_listening()?;
        Ok(registry)
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Pushes `tag` of the OCI layout at `layout` as `repository:tag`, with `skopeo`, every blob and
    /// manifest byte for byte.
    ///
    /// # Errors
    /// When `skopeo` fails, with what it said.
    pub fn push(&self, layout: &Path, tag: &str, repository: &str) -> io::Result<()> {
        let mut skopeo = command("skopeo");
        skopeo.args([
            "--insecure-policy",
            "copy",
            "--quiet",
            "--all",
            "--preserve-digests",
        ]);
        skopeo.arg("--dest-tls-verify=false");
        if self.access == Access::Basic {
            skopeo.arg(format!("--dest-creds={USER}:{PASSWORD}"));
        }
        skopeo.arg(format!("oci:{}:{tag}", layout.display()));
        skopeo.arg(format!("docker://{}/{repository}:{tag}", self.address));
        run(&mut skopeo).map(drop)
    }

    /// The requests answered so far, in order.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn requests(&self) -> io::Result<Vec<LoggedRequest>> {
        let log = fs::read_to_string(&self.log)?;
        Ok(log.lines().filter_map(LoggedRequest::parse).collect())
    }

    fn wait_until_listening(&mut self) -> io::Result<SocketAddr> {
        let start = Instant::now();
        loop {
            let log = fs::read_to_string(&self.log)?;
            if let Some(address) = listening_address(&log) {
                return Ok(address);
            }
            let ended = self.child.try_wait()?.is_some();
            if ended || start.elapsed() > START_LIMIT {
                return Err(io::Error::other(format!(
                    "docker-registry does not listen:\n{log}"
                )));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        // Nothing to be done about a child that is already gone.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl LoggedRequest {
    /// Reads a line of the "combined" log format; `None` for the server's own messages.
    fn parse(line: &str) -> Option<Self> {
        let (request, rest) = line.split_once("] \"")?.1.split_once("\" ")?;
        let mut words = request.split(' ');
        let (method, path) = (words.next()?, words.next()?);
        let status = rest.split(' ').next()?.parse().ok()?;
        Some(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            status,
        })
    }

    /// Whether this asked for the content of a blob.
    pub fn is_blob_download(&self) -> bool {
        self.method == "GET" && self.path.contains("/blobs/sha256:")
    }
}

/// JSON is YAML, which the server reads.
fn configuration(dir: &Path, access: Access) -> serde_json::Value {
    let mut configuration = serde_json::json!({
        "version": "0.1",
        "log": { "level": "info", "accesslog": { "disabled": false } },
        "storage": { "filesystem": { "rootdirectory": dir.join("content") } },
        "http": { "addr": "127.0.0.1:0" },
    });
    if access == Access::Basic {
        configuration["auth"] =
            serde_json::json!({ "htpasswd": { "realm": "dock", "path": dir.join("htpasswd") } });
    }
    configuration
}

/// Finds `listening on 127.0.0.1:41233` in the server's log.
fn listening_address(log: &str) -> Option<SocketAddr> {
    let rest = log.split_once("listening on ")?.1;
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))?;
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_log() {
        let log = "time=\"x\" level=info msg=\"listening on 127.0.0.1:41233\" go.version=go1.19\n";
        assert_eq!(
            listening_address(log),
            Some(SocketAddr::from(([127, 0, 0, 1], 41233)))
        );
        assert_eq!(listening_address("msg=\"listening on 127.0.0.1:412"), None);
    }

    #[test]
    fn requests_are_read_from_the_access_log() {
        let line = r#"127.0.0.1 - - [23/Nov/2026:20:41:07 +0000] "GET /v2/a/blobs/sha256:00 HTTP/1.1" 206 12 "" "windlass/0.1""#;
        let request = LoggedRequest::parse(line).unwrap();
        assert_eq!(
            request,
            LoggedRequest {
                method: "GET".to_owned(),
                path: "/v2/a/blobs/sha256:00".to_owned(),
                status: 206
            }
        );
        assert!(request.is_blob_download());
        assert_eq!(
            LoggedRequest::parse("time=\"x\" level=info msg=\"[a] \\\"b\\\"\""),
            None
        );
    }
}
