//! Certificates and keys in PEM files.

use std::path::Path;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use windlass_registry::{ClientIdentity, Secret};

use crate::error::Problem;
use crate::file;

/// What a key that nobody can use without its passphrase begins with, in its two forms.
const ENCRYPTED: [&str; 2] = ["BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"];

/// Returns the bytes of a file that holds one certificate or more to trust.
pub(crate) fn roots(path: &Path) -> Result<Vec<u8>, Problem> {
    let wrap = |problem| in_file(path, problem);
    let bytes = file::read(path).map_err(wrap)?;
    let certificates = certificates(&bytes).map_err(wrap)?;
    for (index, certificate) in certificates.iter().enumerate() {
        // Later nobody would know which file it is in.
        if let Err(error) = webpki::anchor_from_trusted_cert(certificate) {
            return Err(wrap(Problem::Certificate {
                number: index + 1,
                reason: error.to_string(),
            }));
        }
    }
    Ok(bytes)
}

/// Returns who the files say that this client is. Without `key`, the file of the certificate holds it, too.
pub(crate) fn identity(certificate: &Path, key: Option<&Path>) -> Result<ClientIdentity, Problem> {
    let wrap = |problem| in_file(certificate, problem);
    let chain = file::read(certificate).map_err(wrap)?;
    certificates(&chain).map_err(wrap)?;
    let (key_path, bytes) = match key {
        None => (certificate, chain.clone()),
        Some(path) => (
            path,
            file::read(path).map_err(|problem| in_file(path, problem))?,
        ),
    };
    let key = key_text(bytes).map_err(|problem| in_file(key_path, problem))?;
    Ok(ClientIdentity {
        certificates: chain,
        key,
    })
}

/// Tells whether the file holds a private key beside what else is in it.
pub(crate) fn holds_key(path: &Path) -> bool {
    file::read(path).is_ok_and(|bytes| PrivateKeyDer::from_pem_slice(&bytes).is_ok())
}

fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'_>>, Problem> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let found = found.map_err(|_| Problem::NoCertificate)?;
    match found.is_empty() {
        true => Err(Problem::NoCertificate),
        false => Ok(found),
    }
}

fn key_text(bytes: Vec<u8>) -> Result<Secret, Problem> {
    let text = String::from_utf8(bytes).map_err(|_| Problem::NotText)?;
    if ENCRYPTED.iter().any(|mark| text.contains(mark)) {
        return Err(Problem::EncryptedKey);
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| Problem::NoKey)?;
    Ok(Secret::new(text))
}

fn in_file(path: &Path, problem: Problem) -> Problem {
    Problem::File {
        path: path.to_owned(),
        problem: Box::new(problem),
    }
}
