//! The innermost cause of a failure, without the wrappers of the libraries between.

use std::error::Error;
use std::sync::Arc;
use std::{fmt, io};

use crate::tls_problem::TlsProblem;

/// A failure of a lower layer.
///
/// `Display` shows the innermost cause only ("Connection refused (os error 111)"): the wrappers around it add
/// nothing. Some errors of the TLS library are replaced by the sentence of their [`TlsProblem`]. It never contains a URL, because the URL of a redirect may be a secret.
#[derive(Clone)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

impl Cause {
    pub(crate) fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Arc::from(error.into()))
    }

    /// Returns the outermost `T` among the error and its causes.
    pub(crate) fn find<T: Error + 'static>(&self) -> Option<&T> {
        chain(&*self.0).find_map(|error| error.downcast_ref())
    }

    /// Returns the kind of the I/O error in the chain, if there is one.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        self.find::<io::Error>().map(io::Error::kind)
    }

    /// Returns why a TLS handshake failed, if it is one of the reasons for which there is a remedy.
    pub fn tls_problem(&self) -> Option<TlsProblem> {
        self.find::<rustls::Error>().and_then(TlsProblem::of)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(problem) = self.tls_problem()
            && problem.replaces_message()
        {
            return fmt::Display::fmt(&problem, f);
        }
        let outermost: &(dyn Error + 'static) = &*self.0;
        let innermost = chain(outermost).last().unwrap_or(outermost);
        fmt::Display::fmt(innermost, f)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Cause {}

/// Returns the error and its causes, outermost first. `source` of an `io::Error` skips the error that it
/// wraps.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(|error| error.get_ref())
            .map(|inner| inner as &(dyn Error + 'static));
        wrapped.or_else(|| error.source())
    })
}
