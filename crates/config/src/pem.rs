//! Certificates and keys in PEM files.

use std::path::Path;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use windlass_registry::{ClientIdentity, Secret};

use crate::error::ConfigProblem;
use crate::file;

/// Text in the two formats of encrypted keys.
const ENCRYPTED_MARKS: [&str; 2] = ["BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"];

/// Returns the content of a file with one or more root certificates, which are checked.
pub(crate) fn roots(path: &Path) -> Result<Vec<u8>, ConfigProblem> {
    let wrap = |problem| in_file(path, problem);
    let bytes = file::read(path).map_err(wrap)?;
    let certificates = certificates(&bytes).map_err(wrap)?;
    for (index, certificate) in certificates.iter().enumerate() {
        // A later error would not have the name of the file.
        if let Err(error) = webpki::anchor_from_trusted_cert(certificate) {
            return Err(wrap(ConfigProblem::Certificate {
                number: index + 1,
                reason: error.to_string(),
            }));
        }
    }
    Ok(bytes)
}

/// Reads a client certificate and its key. Without `key`, both are in the file of the certificate.
pub(crate) fn identity(
    certificate: &Path,
    key: Option<&Path>,
) -> Result<ClientIdentity, ConfigProblem> {
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

/// Returns whether the file has a private key.
pub(crate) fn holds_key(path: &Path) -> bool {
    file::read(path).is_ok_and(|bytes| PrivateKeyDer::from_pem_slice(&bytes).is_ok())
}

fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'_>>, ConfigProblem> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let found = found.map_err(|_| ConfigProblem::NoCertificate)?;
    match found.is_empty() {
        true => Err(ConfigProblem::NoCertificate),
        false => Ok(found),
    }
}

fn key_text(bytes: Vec<u8>) -> Result<Secret, ConfigProblem> {
    let text = String::from_utf8(bytes).map_err(|_| ConfigProblem::NotText)?;
    if ENCRYPTED_MARKS.iter().any(|mark| text.contains(mark)) {
        return Err(ConfigProblem::EncryptedKey);
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| ConfigProblem::NoKey)?;
    Ok(Secret::new(text))
}

fn in_file(path: &Path, problem: ConfigProblem) -> ConfigProblem {
    ConfigProblem::File {
        path: path.to_owned(),
        problem: Box::new(problem),
    }
}
