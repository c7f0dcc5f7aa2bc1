//! Unpacks an answer that is compressed although identity was asked for, so that it can be scanned (facts U2, U3).
//!
//! One coding, gzip or deflate, a little at a time: a few bytes may stand for a thousand times as many, so what came
//! out is measured before more goes in.

use std::io::{self, Write as _};

use bytes::Bytes;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use super::ScanError;

/// So much is unpacked at once: at deflate's limit of 1032 to 1 about a mebibyte comes out of it.
const AT_ONCE: usize = 1024;
/// Text packs ten to fifty times smaller; what claims to be more than this many times its size is a bomb.
const MOST_RATIO: u64 = 100;
/// Up to here any ratio passes: a short answer may well be all alike.
const RATIO_FROM: u64 = 1024 * 1024;
/// The most that one answer may unpack to.
const MOST: u64 = 256 * 1024 * 1024;

/// How an answer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Deflate,
}

impl Coding {
    /// Reads `Content-Encoding`. More than one coding, and any other than these, cannot be scanned.
    pub fn of(headers: &HeaderMap) -> Result<Self, ScanError> {
        let mut coding = Self::Identity;
        for value in headers.get_all(CONTENT_ENCODING) {
            let text = value.to_str().map_err(|_| ScanError::Encoded)?;
            for name in text.split(',').map(|name| name.trim().to_ascii_lowercase()) {
                let named = match name.as_str() {
                    "" | "identity" => continue,
                    "gzip" | "x-gzip" => Self::Gzip,
                    "deflate" => Self::Deflate,
                    _ => return Err(ScanError::Encoded),
                };
                if coding != Self::Identity {
                    return Err(ScanError::Encoded);
                }
                coding = named;
            }
        }
        Ok(coding)
    }
}

/// Unpacks one answer.
pub(super) struct Unpacker {
    decoder: Decoder,
    packed: Bytes,
    read: u64,
    written: u64,
}

enum Decoder {
    Gzip(MultiGzDecoder<Vec<u8>>),
    /// `deflate` is zlib's format (RFC 9110 section 8.4.1.2), but some send it bare: the first byte tells.
    Deflate,
    Zlib(ZlibDecoder<Vec<u8>>),
    Bare(DeflateDecoder<Vec<u8>>),
}

impl Unpacker {
    /// Begins; `None` where there is nothing to unpack.
    pub fn of(coding: Coding) -> Option<Self> {
        let decoder = match coding {
            Coding::Identity => return None,
            Coding::Gzip => Decoder::Gzip(MultiGzDecoder::new(Vec::new())),
            Coding::Deflate => Decoder::Deflate,
        };
        Some(Self { decoder, packed: Bytes::new(), read: 0, written: 0 })
    }

    /// Takes a chunk that came; [`Unpacker::next`] unpacks it.
    pub fn push(&mut self, chunk: Bytes) {
        self.packed = chunk;
    }

    /// Returns the next unpacked bytes; `None` where another chunk is needed first.
    pub fn next(&mut self) -> Result<Option<Bytes>, ScanError> {
        while !self.packed.is_empty() {
            let some = self.packed.split_to(AT_ONCE.min(self.packed.len()));
            self.read += some.len() as u64;
            let unpacked = self.decoder.unpack(&some).map_err(|_| ScanError::Encoded)?;
            if let Some(unpacked) = self.measured(unpacked)? {
                return Ok(Some(unpacked));
            }
        }
        Ok(None)
    }

    /// Ends it, and returns what is left. An answer that ends before its coding does is broken.
    pub fn finish(&mut self) -> Result<Option<Bytes>, ScanError> {
        // Statuses without a body may name a coding all the same.
        if self.read == 0 {
            return Ok(None);
        }
        let rest = self.decoder.finish().map_err(|_| ScanError::Broken)?;
        self.measured(rest)
    }

    fn measured(&mut self, unpacked: Vec<u8>) -> Result<Option<Bytes>, ScanError> {
        self.written += unpacked.len() as u64;
        let swollen = self.written > RATIO_FROM && self.written > self.read.saturating_mul(MOST_RATIO);
        if swollen || self.written > MOST {
            return Err(ScanError::Bomb);
        }
        Ok((!unpacked.is_empty()).then(|| Bytes::from(unpacked)))
    }
}

impl Decoder {
    fn unpack(&mut self, packed: &[u8]) -> io::Result<Vec<u8>> {
        if let (Self::Deflate, Some(first)) = (&*self, packed.first()) {
            // RFC 1950: the low four bits of zlib's first byte are 8, which begins no sensible bare stream.
            *self = match first & 0x0f {
                8 => Self::Zlib(ZlibDecoder::new(Vec::new())),
                _ => Self::Bare(DeflateDecoder::new(Vec::new())),
            };
        }
        match self {
            Self::Gzip(decoder) => {
                decoder.write_all(packed)?;
                decoder.flush()?;
                Ok(std::mem::take(decoder.get_mut()))
            }
            Self::Zlib(decoder) => {
                decoder.write_all(packed)?;
                decoder.flush()?;
                Ok(std::mem::take(decoder.get_mut()))
            }
            Self::Bare(decoder) => {
                decoder.write_all(packed)?;
                decoder.flush()?;
                Ok(std::mem::take(decoder.get_mut()))
            }
            Self::Deflate => Ok(Vec::new()),
        }
    }

    fn finish(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(decoder) => decoder.try_finish().map(|()| std::mem::take(decoder.get_mut())),
            Self::Zlib(decoder) => decoder.try_finish().map(|()| std::mem::take(decoder.get_mut())),
            Self::Bare(decoder) => decoder.try_finish().map(|()| std::mem::take(decoder.get_mut())),
            Self::Deflate => Ok(Vec::new()),
        }
    }
}

impl std::fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unpacker")
            .field("read", &self.read)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use http::HeaderValue;

    use super::*;

    /// Unpacks what comes in chunks of this size.
    fn unpacked(coding: Coding, packed: &[u8], size: usize) -> Result<Vec<u8>, ScanError> {
        let mut unpacker = Unpacker::of(coding).expect("a coding");
        let mut all = Vec::new();
        for chunk in packed.chunks(size) {
            unpacker.push(Bytes::copy_from_slice(chunk));
            while let Some(some) = unpacker.next()? {
                all.extend_from_slice(&some);
            }
        }
        all.extend(unpacker.finish()?.unwrap_or_default());
        Ok(all)
    }

    fn text() -> Vec<u8> {
        (0..20_000_u32)
            .flat_map(|n| format!("{{\"id\":{}}},", n.wrapping_mul(2_654_435_761)).into_bytes())
            .collect()
    }

    /// A text in each of the codings.
    fn packed(text: &[u8]) -> [(Coding, Vec<u8>); 3] {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::best());
        for encoder in [&mut gzip as &mut dyn io::Write, &mut zlib, &mut bare] {
            encoder.write_all(text).expect("packed");
        }
        [
            (Coding::Gzip, gzip.finish().expect("packed")),
            (Coding::Deflate, zlib.finish().expect("packed")),
            (Coding::Deflate, bare.finish().expect("packed")),
        ]
    }

    #[test]
    fn what_was_packed_comes_out_whole_in_any_chunks() {
        let text = text();
        for (coding, packed) in packed(&text) {
            for size in [1, 7, 1500, usize::MAX / 2] {
                assert!(unpacked(coding, &packed, size) == Ok(text.clone()), "{coding:?} by {size}");
            }
        }
    }

    #[test]
    fn what_was_flushed_comes_out_before_the_end() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(b"data: first\n\n").expect("packed");
        encoder.flush().expect("flushed");
        let mut unpacker = Unpacker::of(Coding::Gzip).expect("a coding");
        unpacker.push(Bytes::from(encoder.get_ref().clone()));
        let mut shown = Vec::new();
        while let Some(some) = unpacker.next().expect("unpacked") {
            shown.extend_from_slice(&some);
        }
        assert_eq!(shown, b"data: first\n\n");
    }

    #[test]
    fn u3_a_bomb_is_found_while_it_is_small() {
        let bomb = vec![0_u8; 64 * 1024 * 1024];
        for (coding, packed) in packed(&bomb) {
            let mut unpacker = Unpacker::of(coding).expect("a coding");
            unpacker.push(Bytes::from(packed));
            let mut written = 0;
            let error = loop {
                match unpacker.next() {
                    Ok(Some(some)) => written += some.len(),
                    Ok(None) => panic!("{coding:?} passed"),
                    Err(error) => break error,
                }
            };
            assert_eq!(error, ScanError::Bomb);
            assert!(written < 4 * 1024 * 1024, "{written}");
        }
    }

    #[test]
    fn what_is_cut_short_or_not_what_it_says_is_an_error() {
        for (coding, packed) in packed(&text()) {
            let short = packed.get(..packed.len() / 2).expect("half");
            assert!(unpacked(coding, short, 1000).is_err(), "{coding:?}");
        }
        assert_eq!(unpacked(Coding::Gzip, b"{\"plain\":\"text\"}", 1000), Err(ScanError::Encoded));
    }

    #[test]
    fn only_one_known_coding_is_unpacked() {
        let table: [(&[&'static str], Result<Coding, ScanError>); 9] = [
            (&[], Ok(Coding::Identity)),
            (&["identity"], Ok(Coding::Identity)),
            (&["GZIP"], Ok(Coding::Gzip)),
            (&["x-gzip, identity"], Ok(Coding::Gzip)),
            (&["deflate"], Ok(Coding::Deflate)),
            (&["gzip, gzip"], Err(ScanError::Encoded)),
            (&["gzip", "deflate"], Err(ScanError::Encoded)),
            (&["br"], Err(ScanError::Encoded)),
            (&["zstd"], Err(ScanError::Encoded)),
        ];
        for (values, expected) in table {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_ENCODING, HeaderValue::from_static(value));
            }
            assert_eq!(Coding::of(&headers), expected, "{values:?}");
        }
    }
}
