//! The append-only, hash-chained, two-phase audit log.
