//! The real file trees of the layers, from the clients of package registries.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use windlass_testing::real::{command, run};

/// Debian packages of Python's standard library, tests and headers.
const PYTHON_PACKAGES: [&str; 7] = [
    "libpython3.11-stdlib",
    "libpython3.11-minimal",
    "python3.11-minimal",
    "python3.11",
    "libpython3.11-testsuite",
    "libpython3.11",
    "libpython3.11-dev",
];

const SITE_PACKAGES: [&str; 10] = [
    "babel==2.17.0",
    "botocore==1.40.70",
    "django==5.2.8",
    "docutils==0.22.3",
    "networkx==3.5",
    "plotly==6.4.0",
    "pygments==2.19.2",
    "sqlalchemy==2.0.44",
    "sympy==1.14.0",
    "twisted==25.5.0",
];

const NODE_MODULES: [&str; 9] = [
    "@babel/preset-env@7.28.5",
    "@mui/material@7.3.5",
    "core-js@3.46.0",
    "date-fns@4.1.0",
    "lodash@4.17.21",
    "rxjs@7.8.2",
    "three@0.181.1",
    "typescript@5.9.3",
    "webpack@5.102.1",
];

/// The size of a file that represents a model's weights, in bytes.
const WEIGHTS_SIZE: usize = 640 << 20;

/// The file tree of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileTree {
    /// The smallest Debian root with apt.
    DebianRoot,
    /// Python's standard library.
    Python,
    /// Packages from `pip install`.
    SitePackages,
    /// Packages from `npm install`.
    NodeModules,
    /// One large file that compresses to about half.
    Weights,
}

impl FileTree {
    /// Creates `these` trees below `trees`, each once, and returns a root with all of them.
    pub(super) fn make_merged(these: &[Self], trees: &Path) -> anyhow::Result<PathBuf> {
        let merged = trees.join("merged");
        if merged.exists() {
            fs::remove_dir_all(&merged)?;
        }
        fs::create_dir_all(&merged)?;
        for tree in these {
            // Linked, not copied: a tar of the merged tree has each file once. Merged on disk, because podman
            // rejects a tar that has a path twice.
            let root = tree.make(trees)?.join(".");
            run(command("cp")
                .args(["--archive", "--link"])
                .arg(root)
                .arg(&merged))?;
        }
        Ok(merged)
    }

    /// Creates the tree below `trees`, once, and returns its root.
    fn make(self, trees: &Path) -> anyhow::Result<PathBuf> {
        let made = trees.join(self.name());
        if !made.exists() {
            let draft = trees.join("draft");
            if draft.exists() {
                fs::remove_dir_all(&draft)?;
            }
            fs::create_dir_all(&draft)?;
            self.fill(&draft)
                .with_context(|| format!("making the {} tree", self.name()))?;
            fs::rename(&draft, &made)?;
        }
        Ok(made)
    }

    fn name(self) -> &'static str {
        match self {
            Self::DebianRoot => "debian-root",
            Self::Python => "python",
            Self::SitePackages => "site-packages",
            Self::NodeModules => "node-modules",
            Self::Weights => "weights",
        }
    }

    fn fill(self, draft: &Path) -> anyhow::Result<()> {
        match self {
            Self::DebianRoot => debian_root(draft),
            Self::Python => python(draft),
            Self::SitePackages => site_packages(draft),
            Self::NodeModules => node_modules(draft),
            Self::Weights => weights(draft),
        }
    }
}

fn debian_root(draft: &Path) -> anyhow::Result<()> {
    run(command("debootstrap")
        .args(["--variant=minbase", "bookworm"])
        .arg(draft))?;
    // Downloads that images do not contain.
    for leftovers in ["var/cache/apt/archives", "var/lib/apt/lists"] {
        fs::remove_dir_all(draft.join(leftovers))?;
        fs::create_dir(draft.join(leftovers))?;
    }
    Ok(())
}

fn python(draft: &Path) -> anyhow::Result<()> {
    let packages = tempfile::tempdir()?;
    run(command("apt-get")
        .args(["--quiet", "download"])
        .args(PYTHON_PACKAGES)
        .current_dir(packages.path()))?;
    for package in fs::read_dir(packages.path())? {
        run(Command::new("dpkg-deb")
            .arg("--extract")
            .arg(package?.path())
            .arg(draft))?;
    }
    Ok(())
}

fn site_packages(draft: &Path) -> anyhow::Result<()> {
    let into = draft.join("usr/local/lib/python3.11/site-packages");
    run(command("pip")
        .args([
            "install",
            "--quiet",
            "--no-compile",
            "--no-deps",
            "--root-user-action=ignore",
        ])
        .arg("--target")
        .arg(into)
        .args(SITE_PACKAGES))?;
    Ok(())
}

fn node_modules(draft: &Path) -> anyhow::Result<()> {
    let app = draft.join("srv/app");
    fs::create_dir_all(&app)?;
    run(command("npm")
        .args([
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
        ])
        .args(NODE_MODULES)
        .current_dir(app))?;
    Ok(())
}

/// Half random and half constant bytes, similar to the mantissas and exponents of 16-bit floats.
fn weights(draft: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(draft.join("srv/model"))?;
    let mut file = BufWriter::new(File::create(draft.join("srv/model/weights.bin"))?);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..WEIGHTS_SIZE / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        file.write_all(&(state & 0x007f_007f_007f_007f | 0x3800_3800_3800_3800).to_le_bytes())?;
    }
    file.flush()?;
    Ok(())
}
