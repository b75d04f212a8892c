/*
 * Classes of types. What is done with a value depends on the class of its type:
 * the types of one class are kept, compared, hashed and sent alike.
 */
#ifndef ROMANESCO_TYPE_H
#define ROMANESCO_TYPE_H

#include "api.h"

/* Each with what the ABI's pointer points to, where the name does not say it. */
enum type_class {
    CLASS_NONE, /* nothing: not set, or of a type that has no values here */
    CLASS_BOOL, /* int */
    CLASS_INT,  /* uint64, also for signed numbers */
    CLASS_REAL, /* double */
    CLASS_TEXT, /* BroString */
    CLASS_NAME, /* BroString: of a file or a function; peers send such, and get none */
    CLASS_PORT,
    CLASS_ADDR,
    CLASS_SUBNET,
    /* The containers, see val_contains(). */
    CLASS_RECORD,
    CLASS_TABLE, /* BroTable, which a BroSet is too */
    CLASS_VECTOR
};

/* Of each type that there is. */
extern const unsigned char type_classes[BRO_TYPE_MAX];

/* The class of any number: callers and peers hand in what they like. */
static inline enum type_class
type_class(int type)
{
    return (unsigned)type < BRO_TYPE_MAX ? (enum type_class)type_classes[type] : CLASS_NONE;
}

/* Whether callers may hand over values of the type. Only such can be sent. */
static inline int
type_sendable(int type)
{
    return type_class(type) != CLASS_NONE && type_class(type) != CLASS_NAME;
}

#endif
