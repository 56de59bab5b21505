//! Fetches blobs, whole or by range.

use std::ops::Range;

use bytes::Bytes;
use http::header::{CONTENT_RANGE, HeaderMap};
use windlass_http::{BodyError, ResponseBody};
use windlass_oci::text::sanitize_bytes;
use windlass_oci::{Descriptor, Digest};

use crate::client::Client;
use crate::error::{DigestMismatch, RegistryError, WaitPhase};
use crate::origin::Origin;
use crate::repository::Repository;
use crate::request::EndpointResponse;
use crate::request_context::{RequestContext, RequestKind};
use crate::request_spec::RangeSpec;

/// The bytes of a blob from an offset on, as they arrive.
///
/// Never yields a byte beyond the size in the descriptor, and ends with `None` only there (R3). The bytes are
/// not hashed: the caller has to verify the digest.
#[derive(Debug)]
pub struct BlobStream {
    context: RequestContext,
    /// The client that records failures of the stream.
    client: Client,
    from: Origin,
    /// `None` after the end or a failure.
    body: Option<ResponseBody>,
    start: u64,
    position: u64,
    /// The end of the range that the response contains; at most `requested_end`.
    end: u64,
    /// The end of the requested range: the size, or the end of the part.
    requested_end: u64,
    size: u64,
}

/// The range of a blob that a response contains: from `start` to `end`, exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlobRange {
    start: u64,
    end: u64,
}

/// Why a response is not a usable range of the blob.
pub(crate) enum RangeMismatch {
    /// It is not the requested range, but this one.
    Range(String),
    /// The blob would have this size.
    Size(u64),
}

impl Repository {
    /// Starts to fetch the blob of `descriptor`, at `offset` if the registry supports ranges.
    ///
    /// [`BlobStream::starts_at`] returns where the stream starts: at `offset`, or at 0 if the registry
    /// ignores the range and sends the whole blob (DL-5). A response with another range is discarded, and the
    /// whole blob is requested instead (T32).
    pub async fn blob(
        &self,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, RegistryError> {
        self.record_outcome(self.fetch_blob(descriptor, offset).await)
    }

    async fn fetch_blob(
        &self,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, RegistryError> {
        let context = self.context(RequestKind::Blob(descriptor.digest));
        let size = descriptor.size;
        let stream =
            |context| BlobStream::new(context, self.client(), self.endpoint().origin(), size);
        if offset == size {
            return Ok(stream(context));
        }
        let path = format!("{}/blobs/{}", self.path(), descriptor.digest);
        // DL-7: a partial blob that is longer than the blob is not a prefix of it.
        let mut start = if offset < size { offset } else { 0 };
        loop {
            let range = RangeSpec::From(start);
            let response = self.get(&context, &path, &[], range).await?;
            match BlobRange::of(&response, range, size) {
                Ok(part) => return Ok(stream(context).with_response(response, part)),
                Err(RangeMismatch::Size(found)) => return Err(size_error(&context, size, found)),
                Err(RangeMismatch::Range(range)) => {
                    tracing::debug!(%context, start, range, "requesting the whole blob instead");
                    start = 0;
                }
            }
        }
    }

    /// Starts to fetch the bytes of `part`, and no others, of the blob of `descriptor`.
    ///
    /// Returns `None` if the registry does not respond with exactly these bytes of a blob of this size. The
    /// caller then has to fetch the blob as a whole. Each part uses a connection of its own.
    pub async fn blob_range(
        &self,
        descriptor: &Descriptor,
        part: Range<u64>,
    ) -> Result<Option<BlobStream>, RegistryError> {
        self.record_outcome(self.fetch_range(descriptor, part).await)
    }

    async fn fetch_range(
        &self,
        descriptor: &Descriptor,
        part: Range<u64>,
    ) -> Result<Option<BlobStream>, RegistryError> {
        let context = self.context(RequestKind::Blob(descriptor.digest));
        let size = descriptor.size;
        let path = format!("{}/blobs/{}", self.path(), descriptor.digest);
        let range = RangeSpec::Between(part.start, part.end);
        let response = self.get(&context, &path, &[], range).await?;
        Ok(match BlobRange::of(&response, range, size) {
            Ok(found) if found.start == part.start && found.end == part.end => {
                let stream =
                    BlobStream::new(context, self.client(), self.endpoint().origin(), size);
                Some(stream.with_response(response, found).up_to(part.end))
            }
            Ok(_) | Err(_) => None,
        })
    }

    /// Fetches the blob of `descriptor` and verifies its size and digest.
    ///
    /// For configs and other small blobs: the blob is held in memory, and rejected if it is larger than
    /// `limit`.
    pub async fn blob_bytes(
        &self,
        descriptor: &Descriptor,
        limit: u64,
    ) -> Result<Bytes, RegistryError> {
        let context = self.context(RequestKind::Blob(descriptor.digest));
        if descriptor.size > limit {
            return Err(RegistryError::TooLarge {
                context: context.boxed(),
                limit,
            });
        }
        let mut stream = self.blob(descriptor, 0).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next_chunk().await? {
            bytes.extend_from_slice(&chunk);
        }
        let expected = descriptor.digest;
        let found = Digest::of(expected.algorithm(), &bytes);
        if found != expected {
            let mismatch = Box::new(DigestMismatch { expected, found });
            return self.record_outcome(Err(RegistryError::Digest {
                context: context.boxed(),
                mismatch,
            }));
        }
        Ok(bytes.into())
    }
}

impl BlobStream {
    /// Returns a stream that is at its end.
    pub(crate) fn new(context: RequestContext, client: &Client, from: &Origin, size: u64) -> Self {
        Self {
            context,
            client: client.clone(),
            from: from.clone(),
            body: None,
            start: size,
            position: size,
            end: size,
            requested_end: size,
            size,
        }
    }

    fn up_to(mut self, requested_end: u64) -> Self {
        self.requested_end = requested_end;
        self
    }

    /// Attaches the body of `response` to the stream.
    pub(crate) fn with_response(mut self, response: EndpointResponse, part: BlobRange) -> Self {
        self.body = Some(self.client.body(response.http));
        (self.start, self.position, self.end) = (part.start, part.start, part.end);
        self
    }

    /// Returns the offset in the blob of the first byte of the stream.
    pub fn starts_at(&self) -> u64 {
        self.start
    }

    /// Returns the offset in the blob of the next byte.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Returns the next bytes, or `None` when the blob is complete.
    ///
    /// After an error the stream yields no more bytes; [`Self::position`] returns how many arrived.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let chunk = self.chunk().await;
        if chunk.is_err() {
            self.client.record_outcome(&self.from, &chunk);
        }
        chunk
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let Some(body) = &mut self.body else {
            return self.finish();
        };
        match body.next_chunk().await {
            Ok(Some(chunk)) => self.accept(chunk).map(Some),
            Ok(None) => {
                self.body = None;
                self.finish()
            }
            Err(error) => {
                self.body = None;
                Err(self.broken(error))
            }
        }
    }

    fn accept(&mut self, chunk: Bytes) -> Result<Bytes, RegistryError> {
        let position = self.position.saturating_add(chunk.len() as u64);
        if position > self.end {
            self.body = None;
            return Err(size_error(
                &self.context,
                self.size,
                position.max(self.size + 1),
            ));
        }
        self.position = position;
        Ok(chunk)
    }

    fn finish(&self) -> Result<Option<Bytes>, RegistryError> {
        if self.position == self.requested_end {
            return Ok(None);
        }
        Err(size_error(&self.context, self.requested_end, self.position))
    }

    fn broken(&self, error: BodyError) -> RegistryError {
        let context = self.context.boxed();
        match error {
            BodyError::Stalled => RegistryError::Timeout {
                context,
                waiting_for: WaitPhase::Body,
            },
            BodyError::TooLarge { limit } => RegistryError::TooLarge { context, limit },
            BodyError::Transport { source } => RegistryError::Interrupted {
                context,
                received: self.position,
                expected: self.size,
                source,
            },
        }
    }
}

impl BlobRange {
    /// Returns the range of a blob of `size` bytes that `response` contains. If no range was requested, the
    /// status is 200.
    pub(crate) fn of(
        response: &EndpointResponse,
        range: RangeSpec,
        size: u64,
    ) -> Result<Self, RangeMismatch> {
        let part = match response.http.status().as_u16() {
            200 => Self {
                start: 0,
                end: size,
            },
            206 => content_range(response.http.headers(), range.start(), size)
                .map_err(RangeMismatch::Range)?,
            status => return Err(RangeMismatch::Range(format!("status {status}"))),
        };
        match response.http.content_length() {
            Some(length) if length != part.end - part.start => {
                Err(RangeMismatch::Size(part.start.saturating_add(length)))
            }
            _ => Ok(part),
        }
    }
}

/// Returns the range in `Content-Range` if it belongs to this blob and begins at `start`.
///
/// RFC 9110, section 14.4. A total of `*` is accepted (DL-6), and so is an end before the end of the blob.
fn content_range(headers: &HeaderMap, start: u64, size: u64) -> Result<BlobRange, String> {
    let header = headers.get(CONTENT_RANGE).ok_or("no Content-Range")?;
    let shown = || format!("{:?}", sanitize_bytes(header.as_bytes()));
    let range = header
        .to_str()
        .ok()
        .and_then(parse_content_range)
        .ok_or_else(shown)?;
    let (first, last, total) = range;
    if first != start || last < first || last >= size || total.is_some_and(|total| total != size) {
        return Err(shown());
    }
    Ok(BlobRange {
        start,
        end: last + 1,
    })
}

/// Parses `bytes first-last/total`.
fn parse_content_range(header: &str) -> Option<(u64, u64, Option<u64>)> {
    let (unit, range) = header.trim().split_once(' ')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (range, total) = range.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let number = |text: &str| -> Option<u64> {
        let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten()
    };
    let total = if total == "*" {
        None
    } else {
        Some(number(total)?)
    };
    Some((number(first)?, number(last)?, total))
}

pub(crate) fn size_error(context: &RequestContext, expected: u64, found: u64) -> RegistryError {
    RegistryError::Size {
        context: context.boxed(),
        expected,
        found,
    }
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;

    fn part(header: &str) -> Result<(u64, u64), String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_RANGE, HeaderValue::from_str(header).unwrap());
        content_range(&headers, 10, 100).map(|part| (part.start, part.end))
    }

    /// DL-5, DL-6, T32.
    #[test]
    fn only_the_requested_range_is_accepted() {
        assert_eq!(part("bytes 10-99/100"), Ok((10, 100)));
        assert_eq!(part("bytes 10-99/*"), Ok((10, 100)));
        assert_eq!(part("Bytes 10-49/100"), Ok((10, 50)));
        for wrong in [
            "bytes 11-99/100",
            "bytes 0-99/100",
            "bytes 10-99/101",
            "bytes 10-100/*",
            "bytes 10-100/100",
            "bytes 10-9/100",
            "bytes */100",
            "bytes 10-99",
            "bytes +10-99/100",
            "bytes 10-18446744073709551616/*",
            "items 10-99/100",
            "10-99/100",
            "",
        ] {
            assert_eq!(part(wrong), Err(format!("{wrong:?}")));
        }
        assert_eq!(
            content_range(&HeaderMap::new(), 10, 100),
            Err("no Content-Range".to_owned())
        );
    }
}
