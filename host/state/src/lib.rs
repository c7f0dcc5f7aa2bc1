//! What Wardlock remembers that is not secret: agents and, later, drafts, quotas and proofs.
