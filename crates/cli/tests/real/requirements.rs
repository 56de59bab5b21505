//! Requirements of the tests, and whether the machine meets them.

use std::process::{Command, Stdio};

use rustix::process::geteuid;
use windlass_testing::real;

use crate::shared_state::SharedState;

/// A requirement.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Need {
    /// Root, in namespaces of its own.
    Root,
    /// Debian's packages, from where `debootstrap` downloads them.
    DebianPackages,
    /// These programs.
    Tools(&'static [&'static str]),
    /// Debian's `dockerd`, and its requirements.
    Dockerd,
    /// Python's `docker` and Ansible's `community.docker`, in one environment.
    DockerLibraries,
}

/// The programs that build the images and push them to a registry.
const REGISTRY_TOOLS: Need = Need::Tools(&["docker-registry", "skopeo", "gzip", "zstd"]);

/// For images that are only pulled.
pub(crate) const REGISTRY: &[Need] = &[REGISTRY_TOOLS];

/// For images that are mounted, or unpacked by another user.
pub(crate) const ROOT: &[Need] = &[Need::Root, REGISTRY_TOOLS];

/// For images that are unpacked by `umoci`, too.
pub(crate) const UMOCI: &[Need] = &[Need::Root, REGISTRY_TOOLS, Need::Tools(&["umoci"])];

/// For an image of a Debian root.
pub(crate) const DEBIAN: &[Need] = &[
    Need::Root,
    REGISTRY_TOOLS,
    Need::Tools(&["umoci", "debootstrap"]),
    Need::DebianPackages,
];

/// For a registry that stores its blobs in S3.
pub(crate) const OBJECT_STORAGE: &[Need] = &[REGISTRY_TOOLS, Need::Tools(&["moto_server"])];

/// For containerd, which pulls from `windlass serve`.
pub(crate) const CONTAINERD: &[Need] = &[
    Need::Root,
    REGISTRY_TOOLS,
    Need::Tools(&["containerd", "ctr"]),
];

/// For the docker CLI.
pub(crate) const DOCKER: &[Need] = &[REGISTRY_TOOLS, Need::Tools(&["docker"])];

/// For Debian's Compose.
pub(crate) const COMPOSE: &[Need] = &[REGISTRY_TOOLS, Need::Tools(&["docker-compose"])];

/// For stores in containers.
pub(crate) const CONTAINERS: &[Need] = &[
    Need::Root,
    Need::Tools(&["gzip", "mount", "setpriv", "unshare"]),
];

/// For programs in Python.
pub(crate) const LIBRARIES: &[Need] = &[REGISTRY_TOOLS, Need::DockerLibraries];

/// For comparisons with Docker's own daemon.
pub(crate) const DOCKERD: &[Need] = &[
    Need::Root,
    REGISTRY_TOOLS,
    Need::Tools(&["dockerd"]),
    Need::Dockerd,
];

/// For web pages.
pub(crate) const BROWSER: &[Need] = &[Need::Tools(&["chromium"])];

/// For bundles that are started.
pub(crate) const RUNTIME: &[Need] = &[Need::Root, Need::Tools(&["runc", "busybox", "gzip"])];

/// For comparisons of bundles with those of another tool.
pub(crate) const BUNDLES: &[Need] = &[Need::Root, Need::Tools(&["umoci", "gzip"])];

impl Need {
    /// Returns a description of what is missing, if anything.
    pub(crate) fn missing(self, shared: &SharedState) -> Option<String> {
        match self {
            Self::Root if !geteuid().is_root() => Some("needs root".to_owned()),
            Self::Root if !real::is_first_process() => {
                Some("needs the right to make namespaces".to_owned())
            }
            Self::Root => None,
            Self::Tools(programs) => {
                let missing = programs.iter().find(|it| real::find(it).is_none())?;
                Some(format!("needs {missing}"))
            }
            Self::DebianPackages => {
                let error = shared.debian().err()?;
                Some(format!("needs Debian's packages: {error}"))
            }
            Self::Dockerd => {
                let error = shared.dockerd().err()?;
                Some(format!("needs a dockerd that starts: {error}"))
            }
            Self::DockerLibraries if has_docker_libraries() => None,
            Self::DockerLibraries => {
                Some("needs docker and community.docker beside ansible-playbook".to_owned())
            }
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

fn has_docker_libraries() -> bool {
    let imports = "import docker, ansible_collections.community.docker.plugins.modules";
    real::find("ansible-playbook").is_some()
        && real::run(beside_ansible("python").args(["-c", imports])).is_ok()
}
