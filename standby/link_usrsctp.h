// Internal to the usrsctp driver: the library behind it.
#pragma once

#include "link_driver.h"

// 0, or err: no raw socket, or the kernel's SCTP is in the way.
int usrsctp_check(int family, struct err *err);
// Every local address is there: the library asks for them only when it starts.
int usrsctp_addresses_present(const struct link_params *p, struct err *err);
void usrsctp_library_start(const struct link_socket_params *p);  // once; again: nothing
void usrsctp_library_stop(void);                                 // if nothing is left of it
