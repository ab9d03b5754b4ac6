//! An answer as it is sent: encoded once, and compressed once for each coding that is asked for.

use std::{
    fmt,
    io::{self, Write},
};

use actix_web::{http::header::ContentEncoding, web::Bytes};
use brotli::enc::BrotliEncoderParams;
use flate2::{Compression, write::GzEncoder};
use serde::Serialize;
use tokio::{sync::OnceCell, task::spawn_blocking};

use crate::http::{Problem, conditional, respond};

/// The middle between speed and size: it is done once.
const BROTLI_QUALITY: i32 = 5;

/// What names an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tag {
    /// What its body was hashed to: who has that need not be sent it again.
    OfBody(String),
    /// A number for `If-Match`, which says nothing of the rest of the body.
    Version(u32),
}

/// An encoded answer.
pub(crate) struct Encoded {
    body: Bytes,
    tag: Tag,
    gzip: OnceCell<Bytes>,
    brotli: OnceCell<Bytes>,
}

impl Encoded {
    /// A body as JSON, named by what it is.
    ///
    /// # Errors
    /// `Internal` when it cannot be encoded.
    pub(crate) fn of(body: &impl Serialize) -> Result<Self, Problem> {
        let body = respond::encode(body)?;
        let tag = Tag::OfBody(conditional::tag_of(&body));
        Ok(Self::new(body, tag))
    }

    /// A body as JSON, named by a version of what it shows.
    ///
    /// # Errors
    /// `Internal` when it cannot be encoded.
    pub(crate) fn of_version(version: u32, body: &impl Serialize) -> Result<Self, Problem> {
        Ok(Self::new(respond::encode(body)?, Tag::Version(version)))
    }

    fn new(body: Bytes, tag: Tag) -> Self {
        // A copy has no room to spare, so that what is counted is what is held.
        let body = Bytes::copy_from_slice(&body);
        Self { body, tag, gzip: OnceCell::new(), brotli: OnceCell::new() }
    }

    pub(crate) fn body(&self) -> Bytes {
        self.body.clone()
    }

    pub(crate) fn tag(&self) -> &Tag {
        &self.tag
    }

    /// What it holds now, in every coding.
    pub(crate) fn bytes(&self) -> usize {
        let coded = [&self.gzip, &self.brotli].into_iter().filter_map(OnceCell::get);
        self.body.len() + coded.map(Bytes::len).sum::<usize>()
    }

    /// The body in a coding, which is made at the first request for it. `None` for a coding that is
    /// not kept, and where it could not be made.
    pub(crate) async fn coded(&self, coding: ContentEncoding) -> Option<Bytes> {
        let (kept, compress): (_, Compress) = match coding {
            ContentEncoding::Gzip => (&self.gzip, gzip),
            ContentEncoding::Brotli => (&self.brotli, brotli),
            _ => return None,
        };
        let making = kept.get_or_try_init(async || {
            let body = self.body();
            let made = spawn_blocking(move || compress(&body)).await.map_err(io::Error::other)?;
            made.map(|bytes| Bytes::from(bytes.into_boxed_slice()))
        });
        let made = making.await.inspect_err(|error| {
            tracing::error!(%error, "an answer could not be compressed");
        });
        made.ok().cloned()
    }
}

/// Makes a coding of a body.
type Compress = fn(&[u8]) -> io::Result<Vec<u8>>;

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoded").field("tag", &self.tag).finish_non_exhaustive()
    }
}

fn gzip(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::default());
    encoder.write_all(body)?;
    encoder.finish()
}

fn brotli(mut body: &[u8]) -> io::Result<Vec<u8>> {
    let window = body.len().next_power_of_two().ilog2().clamp(10, 22);
    let params = BrotliEncoderParams {
        quality: BROTLI_QUALITY,
        lgwin: window.try_into().map_err(io::Error::other)?,
        size_hint: body.len(),
        ..BrotliEncoderParams::default()
    };
    let mut compressed = Vec::with_capacity(body.len() / 2);
    brotli::BrotliCompress(&mut body, &mut compressed, &params)?;
    Ok(compressed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::io::Read;

    use super::*;

    fn numbers(count: u32) -> Encoded {
        Encoded::of(&(0..count).collect::<Vec<_>>()).unwrap()
    }

    #[tokio::test]
    async fn a_coding_is_made_once_and_says_the_same() {
        for count in [0, 1, 5_000, 200_000] {
            let answer = numbers(count);
            let gzip = answer.coded(ContentEncoding::Gzip).await.unwrap();
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&*gzip).read_to_end(&mut plain).unwrap();
            assert_eq!(plain, answer.body());
            let brotli = answer.coded(ContentEncoding::Brotli).await.unwrap();
            plain.clear();
            brotli::Decompressor::new(&*brotli, 4_096).read_to_end(&mut plain).unwrap();
            assert_eq!(plain, answer.body());
            let again = answer.coded(ContentEncoding::Brotli).await.unwrap();
            assert_eq!(again.as_ptr(), brotli.as_ptr());
            assert_eq!(answer.bytes(), plain.len() + gzip.len() + brotli.len());
        }
    }

    #[tokio::test]
    async fn what_is_not_kept_is_not_made() {
        let answer = numbers(10);
        for coding in [ContentEncoding::Identity, ContentEncoding::Deflate, ContentEncoding::Zstd] {
            assert_eq!(answer.coded(coding).await, None);
        }
        assert_eq!(answer.bytes(), answer.body().len());
    }

    #[test]
    fn equal_bodies_have_equal_tags() {
        assert_eq!(numbers(10).tag(), numbers(10).tag());
        assert_ne!(numbers(10).tag(), numbers(11).tag());
        let of_version = |body| Encoded::of_version(3, &body).unwrap().tag().clone();
        assert_eq!(of_version("a"), of_version("b"));
    }
}
