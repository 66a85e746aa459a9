//! The messages of the services, by their field numbers. Fields that do not matter are skipped when
//! reading.

pub(super) mod health;
pub(super) mod inference;
pub(super) mod reflection;
pub(super) mod serving;
