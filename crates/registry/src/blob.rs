//! Fetches blobs: streams that begin where they were cut and end where the descriptor says.

use std::ops::Range;

use bytes::Bytes;
use http::header::{CONTENT_RANGE, HeaderMap};
use windlass_http::{BodyError, ResponseBody};
use windlass_oci::text::sanitize_bytes;
use windlass_oci::{Descriptor, Digest};

use crate::client::Client;
use crate::error::{DigestMismatch, RegistryError, RequestContext, RequestKind, WaitPhase};
use crate::exchange::{Answer, Span};
use crate::origin::Origin;
use crate::repository::Repository;

/// The bytes of a blob, from some offset on, as they arrive.
///
/// Never yields a byte beyond the size in the descriptor, and ends with `None` only there (R3). The bytes are
/// not hashed: who takes them has yet to find out whether they are the blob.
#[derive(Debug)]
pub struct BlobStream {
    context: RequestContext,
    /// Whose health it tells about how the stream goes.
    client: Client,
    from: Origin,
    /// `None` when there is nothing more to read from, be it for good or for bad.
    body: Option<ResponseBody>,
    start: u64,
    position: u64,
    /// Where the body says it ends; at most `goal`.
    end: u64,
    /// Where the stream ends if all is well: the size, or the end of the part that was asked for.
    goal: u64,
    size: u64,
}

/// Which part of a blob an answer brings: from `start` up to, and without, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    start: u64,
    end: u64,
}

/// Why an answer is not a part of the blob.
pub(crate) enum Wrong {
    /// It is not the range that was asked for, but this.
    Range(String),
    /// It would make the blob this long.
    Size(u64),
}

impl Repository {
    /// Begins to fetch the blob that `descriptor` names, at `offset` if the registry can do that.
    ///
    /// Where the stream begins is said by [`BlobStream::starts_at`]: at `offset`, or at 0 if the registry
    /// sends the whole blob, whatever range it was asked for (DL-5). An answer with a range that was not
    /// asked for is dropped, and the whole blob asked for instead (T32).
    pub async fn blob(
        &self,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, RegistryError> {
        self.noted(self.fetch_blob(descriptor, offset).await)
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
        // DL-7: a partial blob that is longer than the blob is not its beginning.
        let mut start = if offset < size { offset } else { 0 };
        loop {
            let span = Span::From(start);
            let answer = self.get(&context, &path, None, span).await?;
            match Part::of(&answer, span, size) {
                Ok(part) => return Ok(stream(context).from(answer, part)),
                Err(Wrong::Size(found)) => return Err(wrong_size(&context, size, found)),
                Err(Wrong::Range(range)) => {
                    tracing::debug!(%context, start, range, "asking for the whole blob instead");
                    start = 0;
                }
            }
        }
    }

    /// Begins to fetch the bytes of `part`, and no more, of the blob that `descriptor` names.
    ///
    /// `None` if the registry does not answer that as it should: with exactly these bytes, of a blob of this
    /// size (RFC 9110, section 14). It may be asked for the whole then.
    pub async fn blob_part(
        &self,
        descriptor: &Descriptor,
        part: Range<u64>,
    ) -> Result<Option<BlobStream>, RegistryError> {
        self.noted(self.fetch_part(descriptor, part).await)
    }

    async fn fetch_part(
        &self,
        descriptor: &Descriptor,
        part: Range<u64>,
    ) -> Result<Option<BlobStream>, RegistryError> {
        let context = self.context(RequestKind::Blob(descriptor.digest));
        let size = descriptor.size;
        let path = format!("{}/blobs/{}", self.path(), descriptor.digest);
        let span = Span::Between(part.start, part.end);
        let answer = self.get(&context, &path, None, span).await?;
        Ok(match Part::of(&answer, span, size) {
            Ok(found) if found.start == part.start && found.end == part.end => {
                let stream =
                    BlobStream::new(context, self.client(), self.endpoint().origin(), size);
                Some(stream.from(answer, found).up_to(part.end))
            }
            Ok(_) | Err(_) => None,
        })
    }

    /// Fetches the blob that `descriptor` names and verifies its size and digest.
    ///
    /// For configs and other small blobs: it is held in memory, and refused if it is larger than `limit`.
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
            return self.noted(Err(RegistryError::Digest {
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
            goal: size,
            size,
        }
    }

    fn up_to(mut self, goal: u64) -> Self {
        self.goal = goal;
        self
    }

    /// Lets the stream bring what `answer` brings.
    pub(crate) fn from(mut self, answer: Answer, part: Part) -> Self {
        self.body = Some(self.client.body(answer.response));
        (self.start, self.position, self.end) = (part.start, part.start, part.end);
        self
    }

    /// Returns the place in the blob of the first byte of the stream.
    pub fn starts_at(&self) -> u64 {
        self.start
    }

    /// Returns the place in the blob of the next byte.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Returns the next bytes; `None` when the blob is complete.
    ///
    /// After an error the stream yields no more bytes; how far it came is [`Self::position`].
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let chunk = self.chunk().await;
        if chunk.is_err() {
            self.client.note(&self.from, &chunk);
        }
        chunk
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let Some(body) = &mut self.body else {
            return self.ended();
        };
        match body.next_chunk().await {
            Ok(Some(chunk)) => self.take(chunk).map(Some),
            Ok(None) => {
                self.body = None;
                self.ended()
            }
            Err(error) => {
                self.body = None;
                Err(self.broken(error))
            }
        }
    }

    fn take(&mut self, chunk: Bytes) -> Result<Bytes, RegistryError> {
        let position = self.position.saturating_add(chunk.len() as u64);
        if position > self.end {
            self.body = None;
            return Err(wrong_size(
                &self.context,
                self.size,
                position.max(self.size + 1),
            ));
        }
        self.position = position;
        Ok(chunk)
    }

    fn ended(&self) -> Result<Option<Bytes>, RegistryError> {
        if self.position == self.goal {
            return Ok(None);
        }
        Err(wrong_size(&self.context, self.goal, self.position))
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

impl Part {
    /// Returns the part of a blob of `size` bytes that `answer` brings after `span` was asked for. Without
    /// a range asked for, there are only answers with status 200.
    pub(crate) fn of(answer: &Answer, span: Span, size: u64) -> Result<Self, Wrong> {
        let part = match answer.response.status().as_u16() {
            200 => Self {
                start: 0,
                end: size,
            },
            206 => content_range(answer.response.headers(), span.start(), size)
                .map_err(Wrong::Range)?,
            status => return Err(Wrong::Range(format!("status {status}"))),
        };
        match answer.response.content_length() {
            Some(length) if length != part.end - part.start => {
                Err(Wrong::Size(part.start.saturating_add(length)))
            }
            _ => Ok(part),
        }
    }
}

/// Returns the part that `Content-Range` says, if it is of this blob and begins at `start`.
///
/// RFC 9110, section 14.4. A total of `*` is accepted (DL-6), and an end before the blob's.
fn content_range(headers: &HeaderMap, start: u64, size: u64) -> Result<Part, String> {
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
    Ok(Part {
        start,
        end: last + 1,
    })
}

/// Reads `bytes first-last/total`.
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

pub(crate) fn wrong_size(context: &RequestContext, expected: u64, found: u64) -> RegistryError {
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
    fn only_the_range_that_was_asked_for_is_accepted() {
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
