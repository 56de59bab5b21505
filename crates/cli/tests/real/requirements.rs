//! Requirements of the tests, and whether the machine meets them.

use std::process::{Command, Stdio};

use rustix::process::geteuid;
use windlass_testing::real;

use crate::shared_state::World;

/// A requirement.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Need {
    /// Root, in namespaces of its own.
    Root,
    /// Debian's packages, from where `debootstrap` downloads them.
    DebianPackages,
    /// A program.
    Tool(&'static str),
    /// Debian's `dockerd`, and its requirements.
    Dockerd,
    /// Python's `docker` and Ansible's `community.docker`, in one environment.
    DockerLibraries,
}

/// For images made of tars, served by the registry and unpacked by `umoci`.
pub(crate) const JUDGE: &[Need] = &[
    Need::Root,
    Need::Tool("docker-registry"),
    Need::Tool("skopeo"),
    Need::Tool("umoci"),
    Need::Tool("gzip"),
    Need::Tool("zstd"),
];

/// For images that are only pulled.
pub(crate) const REGISTRY: &[Need] = &[
    Need::Tool("docker-registry"),
    Need::Tool("skopeo"),
    Need::Tool("gzip"),
    Need::Tool("zstd"),
];

/// For a registry that stores its blobs in S3.
pub(crate) const OBJECT_STORAGE: &[Need] = &[
    Need::Tool("docker-registry"),
    Need::Tool("moto_server"),
    Need::Tool("skopeo"),
    Need::Tool("gzip"),
    Need::Tool("zstd"),
];

/// For containerd, which pulls from `windlass serve`.
pub(crate) const CONTAINERD: &[Need] = &[
    Need::Root,
    Need::Tool("containerd"),
    Need::Tool("ctr"),
    Need::Tool("docker-registry"),
    Need::Tool("skopeo"),
    Need::Tool("gzip"),
    Need::Tool("zstd"),
];

/// For the docker CLI.
pub(crate) const DOCKER: &[Need] = &[
    Need::Tool("docker"),
    Need::Tool("docker-registry"),
    Need::Tool("skopeo"),
    Need::Tool("gzip"),
    Need::Tool("zstd"),
];

/// For Debian's Compose.
pub(crate) const COMPOSE: &[Need] = &[
    Need::Tool("docker-compose"),
    Need::Tool("docker-registry"),
    Need::Tool("skopeo"),
    Need::Tool("gzip"),
];

/// For programs in Python.
pub(crate) const LIBRARIES: &[Need] = &[
    Need::DockerLibraries,
    Need::Tool("docker-registry"),
    Need::Tool("skopeo"),
    Need::Tool("gzip"),
];

/// For comparisons with Docker's own daemon.
pub(crate) const DOCKERD: &[Need] = &[
    Need::Root,
    Need::Tool("dockerd"),
    Need::Tool("docker-registry"),
    Need::Tool("skopeo"),
    Need::Dockerd,
];

/// For web pages.
pub(crate) const BROWSER: &[Need] = &[Need::Tool("chromium")];

/// For images that are mounted, or unpacked by another user.
pub(crate) const ROOT: &[Need] = &[
    Need::Root,
    Need::Tool("docker-registry"),
    Need::Tool("skopeo"),
    Need::Tool("gzip"),
    Need::Tool("zstd"),
];

/// For bundles that are started.
pub(crate) const RUNTIME: &[Need] = &[
    Need::Root,
    Need::Tool("runc"),
    Need::Tool("busybox"),
    Need::Tool("gzip"),
];

/// For comparisons of bundles with those of another tool.
pub(crate) const BUNDLES: &[Need] = &[Need::Root, Need::Tool("umoci"), Need::Tool("gzip")];

/// For an image of a Debian root.
pub(crate) const DEBIAN: &[Need] = &[
    Need::Root,
    Need::Tool("docker-registry"),
    Need::Tool("skopeo"),
    Need::Tool("umoci"),
    Need::Tool("gzip"),
    Need::Tool("zstd"),
    Need::Tool("debootstrap"),
    Need::DebianPackages,
];

impl Need {
    /// Returns a description of what is missing, if anything.
    pub(crate) fn missing(self, world: &World) -> Option<String> {
        match self {
            Self::Root if !geteuid().is_root() => Some("needs root".to_owned()),
            Self::Root if !real::is_first_process() => {
                Some("needs the right to make namespaces".to_owned())
            }
            Self::Tool(program) if real::find(program).is_none() => {
                Some(format!("needs {program}"))
            }
            Self::DebianPackages => world
                .debian()
                .err()
                .map(|error| format!("needs Debian's packages: {error}")),
            Self::Dockerd => world
                .dockerd()
                .err()
                .map(|error| format!("needs a dockerd that starts: {error}")),
            Self::DockerLibraries => has_docker_libraries()
                .is_none()
                .then(|| "needs docker and community.docker beside ansible-playbook".to_owned()),
            Self::Root | Self::Tool(_) => None,
        }
    }
}

/// Returns a command for a program in the same directory as `ansible-playbook`, such as its Python.
pub(crate) fn beside_ansible(program: &str) -> Command {
    let ansible = real::find("ansible-playbook").unwrap_or_default();
    let mut command = Command::new(ansible.with_file_name(program));
    command.stdin(Stdio::null());
    command
}

fn has_docker_libraries() -> Option<()> {
    real::find("ansible-playbook")?;
    let imports = "import docker, ansible_collections.community.docker.plugins.modules";
    real::run(beside_ansible("python").args(["-c", imports])).ok()?;
    Some(())
}
