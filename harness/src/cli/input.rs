//! Dumps from files and from standard input, compressed or not, with or without a program's output before them.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;

use heapmatrix_reader::{Kind, Stream, StreamError, Version};

use super::progress::{self, Watched};
use super::whole::Whole;

/// What a Zstandard frame starts with.
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// What a gzip member starts with: the only method that there is, deflate.
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b, 8];

/// How far into the input a dump may begin, in bytes. A program that dumps to its standard output has said little before.
const FARTHEST_HEADER: usize = 64 << 10;

/// Where a dump comes from.
#[derive(Debug, clap::Args)]
pub struct Input {
    /// The dump; - is standard input, and Zstandard and gzip are recognised
    #[arg(value_name = "FILE")]
    path: std::path::PathBuf,
}

impl Input {
    /// The dump at a path; - is standard input.
    pub fn new(path: std::path::PathBuf) -> Self {
        Self { path }
    }

    /// The dump as a stream, to be read from start to end in little memory.
    pub fn stream(&self, source: Box<dyn Read>) -> Result<Stream<Box<dyn Read>>, String> {
        Stream::new(source).map_err(|error| self.explain(error))
    }

    /// The whole dump, to be read in any order: mapped if it is a plain file, and otherwise kept in a file without a name.
    pub fn whole(&self) -> Result<Whole, String> {
        let explain = |error| self.unreadable(&error);
        // A pipe with a name is opened once: whoever writes to it would take a second time for the end.
        if !self.is_standard_input() && fs::metadata(&self.path).map_err(explain)?.is_file() {
            let mut file = File::open(&self.path).map_err(explain)?;
            let head = start_of(&mut file, FARTHEST_HEADER).map_err(explain)?;
            if Compression::of(&head).is_none() {
                return Whole::map(&file, self.find_header(&head)?).map_err(explain);
            }
        }
        Whole::spool(self.open()?).map_err(explain)
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
            Some(_) => " (heapmatrix salvage keeps what can be read)",
            _ => "",
        };
        format!("{name}: {error}{advice}")
    }

    fn unreadable(&self, error: &io::Error) -> String {
        format!("cannot read {}: {error}", self.name())
    }

    /// How messages name the dump.
    pub fn name(&self) -> String {
        if self.is_standard_input() { "standard input".into() } else { self.path.display().to_string() }
    }

    fn is_standard_input(&self) -> bool {
        self.path == Path::new("-")
    }

    /// The path of a dump that is no standard input.
    pub fn plain_path(&self) -> Option<&Path> {
        (!self.is_standard_input()).then_some(&self.path)
    }

    /// The path of a dump that is a plain file and not compressed.
    pub fn plain_file(&self) -> Option<&Path> {
        // To open a pipe, or to read from it, would take what is not ours.
        fs::metadata(self.plain_path()?).ok().filter(fs::Metadata::is_file)?;
        let start = start_of(&mut File::open(&self.path).ok()?, ZSTD_MAGIC.len()).ok()?;
        Compression::of(&start).is_none().then_some(&self.path)
    }

    /// What the input is, so that nothing overwrites it; `None` if the system doesn't say.
    pub fn metadata(&self) -> Option<fs::Metadata> {
        if self.is_standard_input() { stdin_metadata().ok() } else { fs::metadata(&self.path).ok() }
    }

    /// Opens the dump: what is read begins with its header.
    pub fn open(&self) -> Result<Box<dyn Read>, String> {
        let explain = |error| self.unreadable(&error);
        let (source, length): (Box<dyn Read>, _) = if self.is_standard_input() {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(&self.path).map_err(explain)?;
            // A pipe's length is 0.
            let length = file.metadata().map_err(explain)?.len();
            (Box::new(file), Some(length).filter(|&length| length > 0))
        };
        let mut source = decompressed(Watched::new(source, progress::bar(length))).map_err(explain)?;
        let mut head = start_of(&mut source, Version::Go15.header().len()).map_err(explain)?;
        if Version::recognise(&head).is_err() {
            head.extend(start_of(&mut source, FARTHEST_HEADER).map_err(explain)?);
        }
        head.drain(..self.find_header(&head)?);
        Ok(Box::new(Cursor::new(head).chain(source)))
    }

    /// Where the dump begins in what the input starts with.
    fn find_header(&self, head: &[u8]) -> Result<usize, String> {
        let Err(error) = Version::recognise(head) else { return Ok(0) };
        if let Some(what) = other_format(head) {
            return Err(format!("{}: not a heap dump but {what}", self.name()));
        }
        let length = Version::Go15.header().len();
        let start = head.windows(length).position(|bytes| Version::recognise(bytes).is_ok());
        // Text is what a program prints: other bytes are some other format's, with a dump inside.
        match start.filter(|&start| !head[..start].contains(&0)) {
            Some(start) => {
                let name = self.name();
                super::note(format_args!(
                    "note: {name}: the dump begins after {start} bytes of text, from where offsets count"
                ));
                Ok(start)
            }
            None => Err(self.explain(error.into())),
        }
    }
}

/// What else people take for a heap dump, and what to do with it.
fn other_format(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"\x7fELF") {
        // The byte order of the type, which says whether it is a core, is the file's.
        let kind = match (head.get(5), head.get(16), head.get(17)) {
            (Some(2), Some(&high), Some(&low)) => u16::from_be_bytes([high, low]),
            (_, Some(&low), Some(&high)) => u16::from_le_bytes([low, high]),
            _ => 0,
        };
        return Some(match kind {
            4 => "an ELF core file: heapmatrix dump CORE -o FILE makes a heap dump of it",
            _ => "an ELF program: heapmatrix exec runs a static Go program, and dumps its heap with --dump",
        });
    }
    if head.starts_with(b"{") {
        return Some("JSON");
    }
    None
}

/// Any file, whole: mapped if it is plain, and otherwise decompressed into a file without a name; - is standard input.
pub fn whole_file(path: &Path) -> Result<Whole, String> {
    let input = Input::new(path.to_owned());
    let explain = |error| input.unreadable(&error);
    let (source, length): (Box<dyn Read>, _) = if input.is_standard_input() {
        (Box::new(io::stdin()), None)
    } else {
        let mut file = File::open(path).map_err(explain)?;
        let metadata = file.metadata().map_err(explain)?;
        if metadata.is_file() {
            let head = start_of(&mut file, ZSTD_MAGIC.len()).map_err(explain)?;
            if Compression::of(&head).is_none() {
                return Whole::map(&file, 0).map_err(explain);
            }
            file.rewind().map_err(explain)?;
        }
        (Box::new(file), Some(metadata.len()).filter(|&length| length > 0))
    };
    let source = decompressed(Watched::new(source, progress::bar(length))).map_err(explain)?;
    Whole::spool(source).map_err(explain)
}

/// The first bytes of a source, `length` of them unless it ends before.
fn start_of(source: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    source.take(length as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// How data are compressed.
#[derive(Clone, Copy)]
enum Compression {
    Zstd,
    Gzip,
}

impl Compression {
    fn of(start: &[u8]) -> Option<Self> {
        [(ZSTD_MAGIC, Self::Zstd), (GZIP_MAGIC, Self::Gzip)]
            .into_iter()
            .find_map(|(magic, compression)| start.starts_with(magic).then_some(compression))
    }
}

/// Decompresses what starts like compressed data.
fn decompressed(mut source: impl Read + 'static) -> io::Result<Box<dyn Read>> {
    // Pipes may give the first bytes one by one.
    let start = start_of(&mut source, ZSTD_MAGIC.len())?;
    let compression = Compression::of(&start);
    let whole = BufReader::with_capacity(1 << 16, Cursor::new(start).chain(source));
    Ok(match compression {
        Some(Compression::Zstd) => zstd_decoder(whole)?,
        Some(Compression::Gzip) => Box::new(flate2::bufread::MultiGzDecoder::new(whole)),
        None => Box::new(whole),
    })
}

#[cfg(feature = "emulator")]
fn zstd_decoder(source: impl BufRead + 'static) -> io::Result<Box<dyn Read>> {
    Ok(Box::new(zstd::stream::read::Decoder::with_buffer(source)?))
}

#[cfg(not(feature = "emulator"))]
fn zstd_decoder(source: impl BufRead + 'static) -> io::Result<Box<dyn Read>> {
    Ok(Box::new(super::frames::Frames::new(source)?))
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
