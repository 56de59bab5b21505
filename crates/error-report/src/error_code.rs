//! The codes of errors.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Declares the enum and the table of its texts.
macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal,)+) => {
        /// What kind of error occurred. Programs rely on the texts: codes are added and never renamed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $variant,)+
        }

        impl ErrorCode {
            /// All codes, in the order of their texts.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the text of the code, such as `no_space`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

error_codes! {
    /// The address of a server is in use.
    AddressInUse = "address_in_use",
    /// The short ID of an image has several matches.
    Ambiguous = "ambiguous",
    /// The token service of a registry cannot be used.
    Auth = "auth",
    /// The registry does not have a blob that a manifest names.
    BlobMissing = "blob_missing",
    /// TLS certificates cannot be read or used.
    Certificates = "certificates",
    /// The HTTP client cannot be set up as configured.
    Client = "client",
    /// The compression of a tar is not supported.
    Compression = "compression",
    /// The configuration is invalid.
    Config = "config",
    /// The received bytes do not have the expected digest or size.
    Corrupt = "corrupt",
    /// A credential helper failed.
    CredentialHelper = "credential_helper",
    /// Stored credentials cannot be read or written.
    Credentials = "credentials",
    /// The daemon cannot start, or its response cannot be used.
    Daemon = "daemon",
    /// The registry denies access.
    Denied = "denied",
    /// A setting is both on the command line and in a configuration file.
    DuplicateSetting = "duplicate_setting",
    /// A tar to import is empty.
    Empty = "empty",
    /// Other users can replace the socket of a server.
    ExposedDirectory = "exposed_directory",
    /// A filter is invalid.
    Filter = "filter",
    /// A template cannot be rendered.
    Format = "format",
    /// A signal stopped the operation.
    Interrupted = "interrupted",
    /// An archive or image layout is malformed.
    InvalidArchive = "invalid_archive",
    /// The working directory of a bundle is not absolute.
    InvalidCwd = "invalid_cwd",
    /// An image is malformed.
    InvalidImage = "invalid_image",
    /// A layer cannot be unpacked because its tar is malformed.
    InvalidLayer = "invalid_layer",
    /// A platform is malformed.
    InvalidPlatform = "invalid_platform",
    /// A reference is malformed.
    InvalidReference = "invalid_reference",
    /// Reading or writing failed.
    Io = "io",
    /// A server cannot listen on an address.
    Listen = "listen",
    /// The system refuses to mount.
    Mount = "mount",
    /// The image is mounted or otherwise in use.
    Mounted = "mounted",
    /// A network connection broke.
    Network = "network",
    /// A bundle has no command to run.
    NoCommand = "no_command",
    /// A directory does not exist.
    NoDirectory = "no_directory",
    /// No configured endpoint has the required capability.
    NoEndpoint = "no_endpoint",
    /// The user does not have the required permission.
    NoPermission = "no_permission",
    /// The image does not exist for the platform.
    NoPlatform = "no_platform",
    /// No directory for the store is known.
    NoRoot = "no_root",
    /// No path for the socket of the daemon is known.
    NoSocketPath = "no_socket_path",
    /// A disk is full.
    NoSpace = "no_space",
    /// The system does not have the group.
    NoSuchGroup = "no_such_group",
    /// No local image has this name.
    NoSuchImage = "no_such_image",
    /// The image does not have the user or group.
    NoSuchUser = "no_such_user",
    /// Input is required and standard input is not a terminal.
    NoTerminal = "no_terminal",
    /// The host does not implement the registry protocol.
    NotARegistry = "not_a_registry",
    /// A target directory is not empty.
    NotEmpty = "not_empty",
    /// The registry does not have the repository or the tag.
    NotFound = "not_found",
    /// Nothing of windlass is mounted on the directory.
    NotMounted = "not_mounted",
    /// The image cannot be mounted as an overlay.
    NotStackable = "not_stackable",
    /// The daemon that owns the store is another version.
    OtherDaemon = "other_daemon",
    /// The image is for another operating system.
    OtherOs = "other_os",
    /// The registry violates the protocol.
    Protocol = "protocol",
    /// A proxy failed.
    Proxy = "proxy",
    /// The registry limits the rate of requests.
    RateLimited = "rate_limited",
    /// A redirect leads to an address that is not allowed.
    RedirectRefused = "redirect_refused",
    /// The registry rejects the request for the reason in the message.
    Rejected = "rejected",
    /// The image has the obsolete schema 1.
    Schema1 = "schema1",
    /// The image has several names.
    SeveralNames = "several_names",
    /// The store cannot be used.
    Store = "store",
    /// An endpoint did not respond in time.
    Timeout = "timeout",
    /// The web page of `--timings` cannot be written.
    Timings = "timings",
    /// A TLS connection failed.
    Tls = "tls",
    /// A server that is open to the network has no TLS.
    TlsRequired = "tls_required",
    /// A document or file exceeds a limit.
    TooLarge = "too_large",
    /// The registry does not accept the credentials.
    Unauthorized = "unauthorized",
    /// The registry failed.
    Unavailable = "unavailable",
    /// User IDs cannot be mapped without root.
    UnmappedUser = "unmapped_user",
    /// A host cannot be reached.
    Unreachable = "unreachable",
    /// The command line is invalid.
    Usage = "usage",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
