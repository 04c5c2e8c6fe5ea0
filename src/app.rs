//! Assembly: starts the actors of a server bottom-up and stops them top-down.
