//! Bodies that travel in MESSAGE or SEND: CPIM, IMDN, deferred lists, multipart.
