//! Lorgnette's bench targets.
