//! Debian's servers and tools, run for tests and benchmarks: on loopback, in a directory of their own, ended on
//! drop. There is also a token server, for which Debian has no package.

mod containerd;
mod disk;
mod dockerd;
mod http;
mod layout;
mod local_server;
mod namespace;
mod process;
mod registry;
mod s3;
mod tokens;

pub use containerd::Containerd;
pub use disk::{LoopDisk, MountedDisk};
pub use dockerd::Dockerd;
pub use http::{SocketRequest, SocketResponse};
pub use layout::{LayerCompression, LayoutLayer, OciLayout, StoredBlob};
pub use namespace::{can_make_namespaces, end_on_interrupt, in_namespaces, is_first_process};
pub use registry::{
    DockerRegistry, DockerRegistryBuilder, LoggedRequest, PASSWORD, RegistryAuth, USER,
};
pub use s3::{S3, S3Request};
pub use tokens::{
    RepositoryAction, RepositoryGrant, TokenAuthority, TokenRequest, TokenServer,
    TokenServerBuilder,
};

use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Finds `program` on `PATH`, or in the system directories that are missing from the `PATH` of ordinary users.
pub fn find(program: &str) -> Option<PathBuf> {
    let output = Command::new("sh")
        .args([
            "-c",
            r#"PATH="$PATH:/usr/sbin:/sbin" command -v -- "$1""#,
            "sh",
            program,
        ])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    let path = PathBuf::from(path.trim_end());
    (output.status.success() && path.is_absolute()).then_some(path)
}

/// Finds all programs of this name on `PATH` and in `/usr/bin`, each once.
pub fn find_all(program: &str) -> Vec<PathBuf> {
    let script = r#"IFS=:; for place in $PATH:/usr/bin; do
        if [ -f "$place/$1" ] && [ -x "$place/$1" ]; then readlink -f -- "$place/$1"; fi
    done"#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh", program]);
    let output = shell.stdin(Stdio::null()).output();
    let output = output.map(|output| output.stdout).unwrap_or_default();
    let mut found: Vec<PathBuf> = Vec::new();
    for path in String::from_utf8_lossy(&output).lines().map(PathBuf::from) {
        if !found.contains(&path) {
            found.push(path);
        }
    }
    found
}

/// Returns a command for `program`, as found by [`find`].
pub fn command(program: &str) -> Command {
    let mut command = Command::new(find(program).unwrap_or_else(|| program.into()));
    command.stdin(Stdio::null());
    command
}

/// Runs `command` to its end and returns its standard output.
///
/// # Errors
/// If it cannot be started or fails; then with the command and its standard error.
pub fn run(command: &mut Command) -> io::Result<Vec<u8>> {
    let output = command.output();
    let failed = |reason: String| io::Error::other(format!("{command:?}: {reason}"));
    let output = output.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(failed(format!("{}\n{}", output.status, stderr.trim_end())))
}
