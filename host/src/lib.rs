//! Wardlock: a credential broker for agents.
