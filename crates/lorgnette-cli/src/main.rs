//! The program `lorgnette`.
fn main() {}
