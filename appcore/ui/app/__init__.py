"""What all pages share: the deep-link guard, the manager, sign-in, cached tables and figures."""
