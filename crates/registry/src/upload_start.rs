//! Starts uploads of blobs, or mounts blobs from other repositories.

use http::{Method, StatusCode};
use windlass_oci::{Digest, RepositoryName};

use crate::digest_header::check_digest;
use crate::error::RegistryError;
use crate::repository::Repository;
use crate::request::EndpointResponse;
use crate::request_context::{RequestContext, RequestKind};
use crate::upload::Upload;

/// The start of an upload.
#[derive(Debug)]
pub enum UploadStart {
    /// The registry mounted the blob from another repository: there is nothing to send.
    Mounted,
    /// The upload was started.
    Upload(Upload),
}

impl Repository {
    /// Starts the upload of the blob `digest`, unless the registry mounts it from the repository `from`.
    pub async fn begin_upload(
        &self,
        digest: &Digest,
        from: Option<&RepositoryName>,
    ) -> Result<UploadStart, RegistryError> {
        let context = self.context(RequestKind::Upload(*digest));
        if let Some(from) = from
            && let Some(start) = self.mount(&context, digest, from).await?
        {
            return Ok(start);
        }
        let response = self.post(&context, None).await?;
        match response.http.status() {
            StatusCode::ACCEPTED => self.started(digest, &response),
            _ => Err(self.response_error(&context, response).await),
        }
    }

    /// Requests the mount of the blob from the repository `from`. Returns `None` if the blob has to be sent.
    ///
    /// Mounting only saves time, so whatever goes wrong with it does not fail the upload: registries without mounting
    /// respond in various ways, and a token server may refuse access to `from`. An exception is a limit on the rate of
    /// requests, which a plain upload would exceed as well.
    async fn mount(
        &self,
        context: &RequestContext,
        digest: &Digest,
        from: &RepositoryName,
    ) -> Result<Option<UploadStart>, RegistryError> {
        let mounting = self.mounting_from(from);
        let response = match mounting.post(context, Some((digest, from))).await {
            Ok(response) => response,
            Err(error) => {
                tracing::debug!(%context, %error, "the blob cannot be mounted");
                return Ok(None);
            }
        };
        match response.http.status().as_u16() {
            201 => {
                check_digest(context, digest, response.http.headers())?;
                Ok(Some(UploadStart::Mounted))
            }
            202 => self.started(digest, &response).map(Some),
            429 => Err(self.response_error(context, response).await),
            status => {
                tracing::debug!(%context, status, "the blob was not mounted");
                Ok(None)
            }
        }
    }

    async fn post(
        &self,
        context: &RequestContext,
        mount: Option<(&Digest, &RepositoryName)>,
    ) -> Result<EndpointResponse, RegistryError> {
        let path = format!("{}/blobs/uploads/", self.path());
        let mut url = self.endpoint().api(&path);
        if let Some((digest, from)) = mount {
            let mut query = url.query_pairs_mut();
            query.append_pair("mount", &digest.to_string());
            query.append_pair("from", from.path());
        }
        let mut spec = self.request_spec(context, url);
        spec.method = Method::POST;
        self.send_authorized(&spec).await
    }

    fn started(
        &self,
        digest: &Digest,
        response: &EndpointResponse,
    ) -> Result<UploadStart, RegistryError> {
        Upload::started(self, digest, response).map(UploadStart::Upload)
    }
}
