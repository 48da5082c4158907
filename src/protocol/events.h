/* The journal's MESSAGE_ID of each event of a connection: constants, so that a message catalogue
 * and `journalctl MESSAGE_ID=` can rely on them. Never reuse one for another event. */
#ifndef LATCH_PROTOCOL_EVENTS_H
#define LATCH_PROTOCOL_EVENTS_H

#define EVENT_REQUEST "9e44105da6854bbdab133e98925557db"
#define EVENT_CLOSE "86554f0205584d9fb31cfa82451337e2"
#define EVENT_HANDSHAKE_FAILED "e49c15e728b149c782f72386a977ab6f"

#endif
