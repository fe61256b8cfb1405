//! Dumps from files and from standard input, compressed or not.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use heapmatrix_reader::{Kind, Stream, StreamError};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

/// What a Zstandard frame starts with.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// More than this is not held in memory: a small compressed file can hold any amount of zeros.
const MOST_IN_MEMORY: u64 = 8 << 30;

/// Where a dump comes from.
#[derive(Debug, clap::Args)]
pub struct Input {
    /// The dump; - is standard input, and Zstandard is recognised
    #[arg(value_name = "FILE")]
    path: std::path::PathBuf,
}

impl Input {
    /// The dump as a stream, to be read from start to end in little memory.
    pub fn stream(&self, source: Box<dyn Read>) -> Result<Stream<Box<dyn Read>>, String> {
        Stream::new(source).map_err(|error| self.explain(error))
    }

    /// Reads the whole dump.
    pub fn read(&self, source: Box<dyn Read>) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let read = source.take(MOST_IN_MEMORY).read_to_end(&mut bytes);
        match read {
            Ok(length) if length as u64 == MOST_IN_MEMORY => {
                Err(format!("{} is too large: {MOST_IN_MEMORY} bytes or more", self.name()))
            }
            Ok(_) => Ok(bytes),
            Err(error) => Err(format!("cannot read {}: {error}", self.name())),
        }
    }

    /// What is wrong with the dump, in one line, and what to do if something can be done.
    pub fn explain(&self, error: StreamError) -> String {
        let name = self.name();
        let StreamError::Dump(dump_error) = &error else {
            // A source's failure, such as damaged compression.
            let source = std::error::Error::source(&error).map_or(String::new(), |e| format!(": {e}"));
            return format!("{name}: {error}{source}");
        };
        let advice = match dump_error.record() {
            Some((Kind::Type, _)) if dump_error.field() == "name" => {
                " (Go 1.5 writes memory in place of some names: heapmatrix salvage repairs that)"
            }
            Some(_) if dump_error.is_truncation() => " (heapmatrix salvage keeps what can be read)",
            _ => "",
        };
        format!("{name}: {error}{advice}")
    }

    /// How messages name the dump.
    pub fn name(&self) -> String {
        if self.is_standard_input() { "standard input".into() } else { self.path.display().to_string() }
    }

    fn is_standard_input(&self) -> bool {
        self.path == Path::new("-")
    }

    /// What the input is, so that nothing overwrites it; `None` if the system doesn't say.
    pub fn metadata(&self) -> Option<fs::Metadata> {
        if self.is_standard_input() { stdin_metadata().ok() } else { fs::metadata(&self.path).ok() }
    }

    /// Opens the dump.
    pub fn open(&self) -> Result<Box<dyn Read>, String> {
        let explain = |error: io::Error| format!("cannot read {}: {error}", self.name());
        if self.is_standard_input() {
            return decompressed(progress_bar(None).wrap_read(io::stdin())).map_err(explain);
        }
        let open = || {
            let file = File::open(&self.path)?;
            // A pipe's length is 0.
            let length = Some(file.metadata()?.len()).filter(|&length| length > 0);
            decompressed(progress_bar(length).wrap_read(file))
        };
        open().map_err(explain)
    }
}

/// How much has been read, of so many bytes, on standard error if that is a terminal. It is gone when its reader is.
fn progress_bar(length: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr_with_hz(10));
    let template = match length {
        Some(_) => "{bar:40} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left",
        None => "{spinner} {bytes}  {bytes_per_sec}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar.with_finish(ProgressFinish::AndClear)
}

/// Decompresses what starts like compressed data.
fn decompressed(source: impl Read + 'static) -> io::Result<Box<dyn Read>> {
    let mut source = BufReader::with_capacity(1 << 16, source);
    // Pipes may give the first bytes one by one; the header of a dump is longer than the magic number.
    let start = source.fill_buf()?;
    if start.len() >= ZSTD_MAGIC.len() {
        let compressed = start.starts_with(&ZSTD_MAGIC);
        return if compressed { zstd_decoder(source) } else { Ok(Box::new(source)) };
    }
    let mut start = Vec::new();
    (&mut source).take(ZSTD_MAGIC.len() as u64).read_to_end(&mut start)?;
    let compressed = start == ZSTD_MAGIC;
    let whole = BufReader::new(io::Cursor::new(start).chain(source));
    if compressed { zstd_decoder(whole) } else { Ok(Box::new(whole)) }
}

fn zstd_decoder(source: impl BufRead + 'static) -> io::Result<Box<dyn Read>> {
    Ok(Box::new(zstd::stream::read::Decoder::with_buffer(source)?))
}

fn stdin_metadata() -> io::Result<fs::Metadata> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        File::from(io::stdin().as_fd().try_clone_to_owned()?).metadata()
    }
    #[cfg(not(unix))]
    Err(io::ErrorKind::Unsupported.into())
}
