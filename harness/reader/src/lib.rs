//! Reads Go heap dumps.
#![forbid(unsafe_code)]
