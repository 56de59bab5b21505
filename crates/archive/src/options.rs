//! What the caller decides.

/// How to unpack.
#[derive(Clone, Debug)]
pub struct UnpackOptions {
    /// What whiteouts become.
    pub mode: UnpackMode,
    /// Whose the files become.
    pub ownership: Ownership,
    /// How many threads to use.
    pub threads: UnpackThreads,
    /// Bounds on what a layer may ask for.
    pub limits: UnpackLimits,
    /// How parent directories are looked up.
    pub resolve: PathResolution,
}

/// What a layer is unpacked onto, and so what its whiteouts become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnpackMode {
    /// An empty directory that becomes one layer of an overlay mount: a whiteout becomes a character
    /// device 0:0, an opaque directory gets the overlayfs attribute (`trusted.` with
    /// [`Ownership::Exact`], `user.` with [`Ownership::CurrentUser`]).
    Layer,
    /// The tree that the layers below have made: whiteouts delete from it what this layer did not add
    /// (OCI image specification, "Whiteouts").
    Flatten,
}

/// Whose the files become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// The user and group of each entry. Needs root.
    Exact,
    /// The unpacking user, whatever the entry says. Device nodes and attributes that an ordinary user
    /// may not set are skipped and counted.
    CurrentUser,
}

/// How many threads [`unpack`](crate::unpack) uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnpackThreads {
    /// One, the caller's: best when there are as many layers at work as cores.
    One,
    /// A second one that reads and inflates: best when a core would be idle.
    Two,
}

/// How parent directories are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathResolution {
    /// By `openat2`, and where the kernel does not have it or forbids it, as [`PathResolution::Walk`].
    Kernel,
    /// Component by component, as on Linux before 5.6 or under an old seccomp filter.
    Walk,
}

/// Bounds on what a layer may ask for. Whatever exceeds one fails the layer.
#[derive(Clone, Debug)]
pub struct UnpackLimits {
    /// Bytes of extension headers (PAX, GNU long names, sparse maps) for one entry.
    pub header_bytes: usize,
    /// Bytes of the tar.
    pub tar_bytes: u64,
    /// Bytes of memory for directories, which are finished last, and for hard links to lower layers.
    pub directory_bytes: usize,
    /// Components of paths through symbolic links, all entries together, one in a deep directory counting
    /// for several: links can be chained so that one entry takes thousands.
    pub link_steps: u64,
    /// Bytes of memory for the names of a [`LayerFlattener`](crate::LayerFlattener), roughly.
    pub tree_bytes: usize,
}

impl Ownership {
    /// Returns what this process can do: [`Ownership::Exact`] as root, [`Ownership::CurrentUser`] otherwise.
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
