//! The options of unpacking.

use crate::hiding::HidingForm;

/// How to unpack a layer.
#[derive(Clone, Debug)]
pub struct UnpackOptions {
    /// How whiteouts are applied.
    pub mode: UnpackMode,
    /// The owner of the created files.
    pub ownership: Ownership,
    /// How hidden files are recorded with [`UnpackMode::Layer`]; `None` for the usual form.
    pub hiding: Option<HidingForm>,
    /// The number of threads.
    pub threads: UnpackThreads,
    /// The limits on the resources that a layer may use.
    pub limits: UnpackLimits,
    /// How parent directories are resolved.
    pub resolve: PathResolution,
}

/// The content of the target directory, which determines how whiteouts are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnpackMode {
    /// The target is empty and becomes one layer of an overlay mount. Whiteouts and opaque directories are recorded in
    /// the form of [`UnpackOptions::hiding`].
    Layer,
    /// The target contains the layers below, merged into one tree. Whiteouts delete files of those layers,
    /// but no file of this layer (OCI image specification, "Whiteouts").
    Flatten,
}

/// The owner of the created files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// The user and group of each entry. Requires root.
    Exact,
    /// The unpacking user, whatever the entry contains. Device nodes, and attributes that an ordinary user
    /// may not set, are skipped and counted.
    CurrentUser,
}

/// The number of threads that [`unpack`](crate::unpack) uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnpackThreads {
    /// Only the calling thread. Fastest when at least as many layers are unpacked at a time as there are
    /// cores.
    One,
    /// A second thread that reads and decompresses. Fastest when a core would be idle otherwise.
    Two,
}

/// How parent directories are resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathResolution {
    /// With `openat2`. Falls back to [`PathResolution::Walk`] where the kernel lacks or forbids the call.
    Kernel,
    /// Component by component, for Linux before 5.6 and restrictive seccomp filters.
    Walk,
}

/// Limits on the resources that a layer may use. A layer that exceeds one is rejected.
#[derive(Clone, Debug)]
pub struct UnpackLimits {
    /// Bytes of extension headers (PAX, GNU long names, sparse maps) for one entry.
    pub header_bytes: usize,
    /// Bytes of the decompressed tar.
    pub tar_bytes: u64,
    /// Bytes of memory for directories, whose metadata is set last, and for hard links to lower layers.
    pub directory_bytes: usize,
    /// Path components resolved through symbolic links, for all entries together. A component in a deep
    /// directory counts several times. Links can be chained so that one entry takes thousands of steps.
    pub link_steps: u64,
    /// Approximate bytes of memory for the names of a [`LayerFlattener`](crate::LayerFlattener).
    pub tree_bytes: usize,
}

impl Ownership {
    /// Returns the usual form of hidden files: root can set all attributes, other users only those for users.
    pub fn usual_hiding(self) -> HidingForm {
        match self {
            Self::Exact => HidingForm::TRUSTED,
            Self::CurrentUser => HidingForm::USER,
        }
    }

    /// Returns the ownership that this process can set: [`Ownership::Exact`] as root,
    /// [`Ownership::CurrentUser`] otherwise.
    pub fn for_current_process() -> Self {
        if rustix::process::geteuid().is_root() {
            Self::Exact
        } else {
            Self::CurrentUser
        }
    }
}

impl Default for UnpackOptions {
    fn default() -> Self {
        Self {
            mode: UnpackMode::Layer,
            ownership: Ownership::Exact,
            hiding: None,
            threads: UnpackThreads::Two,
            limits: UnpackLimits::default(),
            resolve: PathResolution::Kernel,
        }
    }
}

impl Default for UnpackLimits {
    fn default() -> Self {
        Self {
            header_bytes: 1 << 20,
            tar_bytes: u64::MAX,
            directory_bytes: 64 << 20,
            link_steps: 16 << 20,
            tree_bytes: 1 << 30,
        }
    }
}
