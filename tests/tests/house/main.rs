//! What keeps the house as ARCHITECTURE.md draws it: the edges between crates, tidy sources, true documents, threats with
//! their tests.

#[cfg(test)]
mod contract;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod edges;
#[cfg(test)]
mod threats;
#[cfg(test)]
mod tidy;
