//! Zstandard without C: the frames of a file, one after the other.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The most memory for a frame's window, in bytes: what the zstd program takes without being asked to.
const WINDOW: u64 = 128 << 20;

/// What the frames of a source hold.
pub struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Frames<R> {
    /// A source that begins with a frame.
    pub fn new(source: R) -> io::Result<Self> {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW);
        Ok(Self { source, decoder, in_frame: false })
    }

    /// Begins the next frame; `false` at the end of the source.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => {
                    self.in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if io::copy(&mut (&mut self.source).take(length), &mut io::sink())? < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error.to_string())),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.in_frame && !self.begin()? {
                return Ok(0);
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            }
            let count = self.decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            self.in_frame = false;
            let (said, found) =
                (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum());
            if said.is_some() && said != found {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the checksum of a Zstandard frame is wrong",
                ));
            }
        }
    }
}

#[cfg(all(test, feature = "emulator"))]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        // A small buffer, so that frames begin anywhere in it.
        Frames::new(BufReader::with_capacity(7, bytes))?.read_to_end(&mut all)?;
        Ok(all)
    }

    fn frame(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.include_checksum(true).unwrap();
        io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn frames_are_read_as_zstd_reads_them() {
        let text: Vec<u8> = (0..300_000u32).flat_map(|number| (number / 3 % 251).to_le_bytes()).collect();
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 5, 0, 0, 0][..], b"skip!"].concat();
        let (first, second) = text.split_at(400_001);
        let file = [frame(first), skippable.clone(), frame(b""), frame(second), skippable].concat();
        assert_eq!(zstd::decode_all(&file[..]).unwrap(), text);
        assert_eq!(read(&file).unwrap(), text);
        for cut in [file.len() - 1, file.len() - 40, 3, 30] {
            assert!(read(&file[..cut]).is_err(), "{cut}");
        }
        let mut wrong = frame(first);
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(read(&wrong).unwrap_err().to_string(), "the checksum of a Zstandard frame is wrong");
        assert!(read(b"\x28\xb5\x2f\xfdnonsense").is_err());
    }
}
