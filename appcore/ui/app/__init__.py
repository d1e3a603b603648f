"""What all pages share: the guard, the manager, sign-in, tables and figures kept between pages."""
