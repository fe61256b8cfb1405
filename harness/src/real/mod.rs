//! Worlds on the real runtime: Go's own allocator, scheduler and dumper under test.
//!
//! A [`World`](world::World) says what there is to be in a Go process. A [guest program](guest), built with the Go release
//! under test for the machine under test, brings that about with `reflect`, dumps itself, and [reports](report) where it
//! has put everything. [Oracles](judge) hold its dump to the world and to the report. The guest interprets worlds: one
//! binary serves any number.
//!
//! ```text
//! World ──JSON──▶ guest on an emulated machine ──▶ its own dump ── reader ──▶ records ══ model
//!                              │  └──────────────▶ report ─────────────────────────────────┘
//!                              └─ memory ── outside writer ──▶ dump ══ its own, byte for byte
//! ```

pub mod check;
pub mod guest;
pub mod isomorphism;
pub mod judge;
pub mod known;
mod layout;
pub mod model;
pub mod random;
pub mod report;
pub mod run;
pub mod world;
