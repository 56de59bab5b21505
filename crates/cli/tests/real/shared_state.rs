//! State that the tests share: a directory, the registry, and its images.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use windlass_testing::TreeSnapshot;
use windlass_testing::real::{DockerRegistry, Dockerd, RegistryAuth, command, run};

use crate::command::Windlass;
use crate::fixture::Fixture;
use crate::reference_tree;

/// The shared parts. Each is created at its first use; processes are ended on drop.
pub(crate) struct SharedState {
    registry: OnceLock<DockerRegistry>,
    debian: OnceLock<Result<PathBuf, String>>,
    dockerd: OnceLock<Result<Dockerd, String>>,
    layouts: Mutex<HashMap<Fixture, Arc<OnceLock<PathBuf>>>>,
    pushed: Mutex<HashMap<Fixture, Arc<OnceLock<()>>>>,
    umoci_trees: Mutex<HashMap<Fixture, Arc<OnceLock<TreeSnapshot>>>>,
    windlass_trees: Mutex<HashMap<Fixture, Arc<OnceLock<TreeSnapshot>>>>,
    directories: AtomicUsize,
    directory: PathBuf,
}

impl SharedState {
    /// Creates the state with its files in `directory`.
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            registry: OnceLock::new(),
            debian: OnceLock::new(),
            dockerd: OnceLock::new(),
            layouts: Mutex::default(),
            pushed: Mutex::default(),
            umoci_trees: Mutex::default(),
            windlass_trees: Mutex::default(),
            directories: AtomicUsize::new(0),
            directory: directory.to_owned(),
        }
    }

    /// Creates a directory for a single test.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let number = self.directories.fetch_add(1, Ordering::Relaxed);
        let directory = self.directory.join(format!("{number:02}-{name}"));
        fs::create_dir(&directory).unwrap();
        directory
    }

    /// The registry that tests share.
    pub(crate) fn registry(&self) -> &DockerRegistry {
        self.registry.get_or_init(|| {
            DockerRegistry::start(&self.directory.join("registry"), RegistryAuth::Open).unwrap()
        })
    }

    /// The reference of `tag` of a fixture, which is pushed at its first use.
    pub(crate) fn reference(&self, fixture: Fixture, tag: &str) -> String {
        let pushed = Arc::clone(self.pushed.lock().unwrap().entry(fixture).or_default());
        pushed.get_or_init(|| {
            self.push(self.registry(), fixture, fixture.repository());
        });
        format!(
            "{}/{}:{tag}",
            self.registry().address(),
            fixture.repository()
        )
    }

    /// Pushes all tags of a fixture to a test's own registry.
    pub(crate) fn push(&self, registry: &DockerRegistry, fixture: Fixture, repository: &str) {
        let layout = self.layout(fixture);
        for tag in fixture.tags() {
            registry.push(&layout, tag, repository).unwrap();
        }
    }

    /// The tree that `umoci` makes of the gzip form of a fixture.
    pub(crate) fn umoci_tree(&self, fixture: Fixture) -> TreeSnapshot {
        let tree = Arc::clone(self.umoci_trees.lock().unwrap().entry(fixture).or_default());
        let tree = tree.get_or_init(|| {
            let directory = self.directory(&format!("umoci-{}", fixture.repository()));
            reference_tree::tree(&self.reference(fixture, "gzip"), &directory, &[])
        });
        tree.clone()
    }

    /// The tree that windlass makes of the gzip form of a fixture in a pull that nothing interrupts.
    pub(crate) fn windlass_tree(&self, fixture: Fixture) -> TreeSnapshot {
        let tree = Arc::clone(
            self.windlass_trees
                .lock()
                .unwrap()
                .entry(fixture)
                .or_default(),
        );
        let tree = tree.get_or_init(|| {
            let directory = self.directory(&format!("windlass-{}", fixture.repository()));
            Windlass::new(&directory).tree(&self.reference(fixture, "gzip"))
        });
        tree.clone()
    }

    /// A Debian root as a tar file, kept from one run to the next.
    pub(crate) fn debian(&self) -> Result<&Path, &str> {
        let tar = self
            .debian
            .get_or_init(|| debian().map_err(|error| error.to_string()));
        tar.as_deref().map_err(String::as_str)
    }

    /// Docker's own daemon, if it can run here.
    pub(crate) fn dockerd(&self) -> Result<&Dockerd, &str> {
        let dockerd = self.dockerd.get_or_init(|| {
            let directory = self.directory.join("dockerd");
            Dockerd::start(&directory).map_err(|error| error.to_string())
        });
        dockerd.as_ref().map_err(String::as_str)
    }

    /// The OCI layout of a fixture, which is built at its first use.
    pub(crate) fn layout(&self, fixture: Fixture) -> PathBuf {
        let layout = Arc::clone(self.layouts.lock().unwrap().entry(fixture).or_default());
        let layout = layout.get_or_init(|| {
            let layout = self.directory(&format!("layout-{}", fixture.repository()));
            fixture.build(self, &layout).unwrap();
            layout
        });
        layout.clone()
    }
}

fn debian() -> io::Result<PathBuf> {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("debian-root.tar");
    if kept.exists() {
        return Ok(kept);
    }
    let draft = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let root = draft.path().join("root");
    run(command("debootstrap")
        .args(["--variant=minbase", "bookworm"])
        .arg(&root))?;
    let tar = draft.path().join("tar");
    run(command("tar")
        .args(["--create", "--sort=name", "--numeric-owner", "--format=pax"])
        .args([
            "--pax-option=delete=atime,delete=ctime",
            "--xattrs",
            "--xattrs-include=*",
        ])
        .arg("--file")
        .arg(&tar)
        .arg("--directory")
        .arg(&root)
        .arg("."))?;
    fs::rename(&tar, &kept)?;
    Ok(kept)
}
