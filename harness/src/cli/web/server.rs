//! A page, served to whoever asks.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use super::super::note;

/// The longest request that is read, in bytes.
const LONGEST: u64 = 16 << 10;

/// Serves a page at an address until the process is interrupted.
///
/// # Errors
/// If nothing can listen there.
pub fn serve(address: &str, page: &str) -> Result<(), String> {
    let explain =
        |error: io::Error| format!("cannot listen at {address}: {error} (127.0.0.1:8080 is an address)");
    // As with go tool pprof, a port alone is one of this machine that others don't see.
    let place = if address.starts_with(':') { format!("localhost{address}") } else { address.to_owned() };
    let listener = TcpListener::bind(place).map_err(explain)?;
    note(format_args!("http://{}/ (Ctrl-C ends it)", listener.local_addr().map_err(explain)?));
    for stream in listener.incoming() {
        // A reader that goes away is its own affair.
        let _ = stream.and_then(|stream| answer(stream, page));
    }
    Ok(())
}

fn answer(mut stream: TcpStream, page: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(Duration::from_secs(30)))?;
    let mut request = BufReader::new((&stream).take(LONGEST));
    let mut line = String::new();
    request.read_line(&mut line)?;
    let mut header = String::new();
    while request.read_line(&mut header)? > 2 {
        header.clear();
    }
    let mut words = line.split_whitespace();
    let (status, kind, body) = match (words.next(), words.next()) {
        (Some("GET" | "HEAD"), Some("/")) => ("200 OK", "text/html; charset=utf-8", page),
        (Some("GET" | "HEAD"), Some(_)) => ("404 Not Found", "text/plain", "the page is at /\n"),
        _ => ("405 Method Not Allowed", "text/plain", "GET is all that there is\n"),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\r\n\
         Connection: close\r\n\r\n",
        body.len()
    )?;
    if !line.starts_with("HEAD") {
        stream.write_all(body.as_bytes())?;
    }
    stream.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(request: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(request.as_bytes()).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        answer(listener.accept().unwrap().0, "<p>page").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn the_page_is_served_and_nothing_else() {
        let answer = ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n<p>page"), "{answer}");
        assert!(ask("HEAD / HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
        assert!(ask("GET /../etc/passwd HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
        assert!(ask("POST / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
        assert!(ask("\r\n").starts_with("HTTP/1.1 405 "));
    }
}
