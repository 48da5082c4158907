/* The journal's MESSAGE_ID of each event in the life of the service: constants, so that a message
 * catalogue and `journalctl MESSAGE_ID=` can rely on them. Never reuse one for another event. */
#ifndef LATCH_MASTER_EVENTS_H
#define LATCH_MASTER_EVENTS_H

#define EVENT_STARTED "601ae6e3b92e41da821e0e9e432f1f99"
#define EVENT_STOPPING "e12d02c87677498f8b2b36e6bc87d43a"
#define EVENT_RELOAD_COMMITTED "02ea6633fd104a5daa75b3ca38d99d90"
#define EVENT_RELOAD_REJECTED "456f9e4ec59645c3acc95e640c60a097"
#define EVENT_QUARANTINED "0af755ba6a434dc0a04eaac0556fa16e"
#define EVENT_UPGRADED "0027ae94508b417ebfc97361515f5499"
#define EVENT_UPGRADE_FAILED "ae497f334dfb4c659bcf0bc1ccf582ac"
#define EVENT_WORKER_DIED "407617f400874d5a989d0b54bf01e5dd"
#define EVENT_WORKER_HUNG "7475656c6cd8496c8b45353748a264b2"
#define EVENT_RENEWED "8fbca542672e4f99a1aff4b664bdef49"
#define EVENT_UNFIT "41a857f4138d404d9d9b007e2e5bcb53"

#endif
