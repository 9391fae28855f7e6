/*
** date.c - civil dates and timestamps, ISO 8601 in and out.
** The proleptic Gregorian calendar with a year 0; years beyond four digits carry a sign ("+12345-01-01"). No time
** zones: a zone in a text is applied, and the value is UTC. Leap seconds do not exist.
** SPDX-License-Identifier: Apache-2.0
*/
#include "table/table.h"

#include <stdio.h>

#include "table/table_int.h"

void th_civil_of_days(int64_t days, int64_t *year, unsigned *month, unsigned *day) {
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned in_era = (unsigned)(days - era * 146097);
    unsigned year_of_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    unsigned day_of_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned from_march = (5 * day_of_year + 2) / 153;
    *day = day_of_year - (153 * from_march + 2) / 5 + 1;
    *month = from_march < 10 ? from_march + 3 : from_march - 9;
    *year = era * 400 + year_of_era + (*month <= 2);
}

unsigned th_days_in_month(int64_t year, unsigned month) {
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

static size_t format_days(int64_t days, char *out) {
    int64_t year;
    unsigned month, day;
    th_civil_of_days(days, &year, &month, &day);
    const char *form = year < 0 ? "-%04lld-%02u-%02u" : year > 9999 ? "+%lld-%02u-%02u" : "%04lld-%02u-%02u";
    return (size_t)snprintf(out, 40, form, (long long)(year < 0 ? -year : year), month, day);
}

size_t th_format_date(int32_t days, char *out) { return format_days(days, out); }

size_t th_format_timestamp(int64_t micros, char *out) {
    int64_t days = micros / TH_DAY_MICROS, rest = micros % TH_DAY_MICROS;
    if (rest < 0) {
        rest += TH_DAY_MICROS;
        days--;
    }
    size_t len = format_days(days, out);
    unsigned seconds = (unsigned)(rest / 1000000), fraction = (unsigned)(rest % 1000000);
    len += (size_t)snprintf(out + len, 40 - len, "T%02u:%02u:%02u", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if (fraction % 1000)
        len += (size_t)snprintf(out + len, 40 - len, ".%06u", fraction);
    else if (fraction)
        len += (size_t)snprintf(out + len, 40 - len, ".%03u", fraction / 1000);
    return len;
}

/* ---- Parsing ------------------------------------------------------------------------------------------------ */

/* Exactly `n` digits at *p. */
static bool take_digits(const char **p, const char *end, unsigned n, unsigned *out) {
    if ((size_t)(end - *p) < n) return false;
    unsigned value = 0;
    for (unsigned i = 0; i < n; i++) {
        unsigned digit = (unsigned)((unsigned char)(*p)[i] - '0');
        if (digit > 9) return false;
        value = value * 10 + digit;
    }
    *p += n;
    *out = value;
    return true;
}

static bool take_char(const char **p, const char *end, char c) {
    if (*p == end || **p != c) return false;
    (*p)++;
    return true;
}

/* Four digits, or a sign and four to seven digits. */
static bool take_year(const char **p, const char *end, int64_t *out) {
    bool negative = *p < end && **p == '-', positive = *p < end && **p == '+';
    unsigned year;
    if (!negative && !positive) {
        if (!take_digits(p, end, 4, &year)) return false;
        *out = year;
        return true;
    }
    (*p)++;
    unsigned n = 0;
    while (n < 8 && *p + n < end && (*p)[n] >= '0' && (*p)[n] <= '9') n++;
    if (n < 4 || n > 7 || !take_digits(p, end, n, &year)) return false;
    *out = negative ? -(int64_t)year : (int64_t)year;
    return true;
}

static bool take_date(const char **p, const char *end, int64_t *days) {
    int64_t year;
    unsigned month, day;
    if (!take_year(p, end, &year) || !take_char(p, end, '-')) return false;
    if (!take_digits(p, end, 2, &month) || !take_char(p, end, '-') || !take_digits(p, end, 2, &day)) return false;
    if (month < 1 || month > 12 || day < 1 || day > th_days_in_month(year, month)) return false;
    *days = th_days_of_civil(year, month, day);
    return true;
}

bool th_parse_date(th_view text, int32_t *days) {
    const char *p = text.data, *end = text.data + text.len;
    int64_t value;
    if (text.len == 0 || !take_date(&p, end, &value) || p != end || !th_column_fits(TH_COLUMN_DATE, value))
        return false;
    *days = (int32_t)value;
    return true;
}

/* One to nine digits; what is beyond a microsecond must be zero, so that nothing is lost. */
static bool take_fraction(const char **p, const char *end, unsigned *micros) {
    unsigned value = 0, n = 0;
    for (; *p < end && **p >= '0' && **p <= '9'; (*p)++, n++) {
        unsigned digit = (unsigned)(**p - '0');
        if (n < 6)
            value = value * 10 + digit;
        else if (n >= 9 || digit != 0)
            return false;
    }
    for (unsigned i = n; i < 6; i++) value *= 10;
    *micros = value;
    return n > 0;
}

/* "Z", "+hh", "+hhmm", "+hh:mm". */
static bool take_zone(const char **p, const char *end, int64_t *micros) {
    if (take_char(p, end, 'Z') || take_char(p, end, 'z')) {
        *micros = 0;
        return true;
    }
    bool negative = *p < end && **p == '-';
    if (!negative && !(*p < end && **p == '+')) return false;
    (*p)++;
    unsigned hours, minutes = 0;
    if (!take_digits(p, end, 2, &hours)) return false;
    bool colon = take_char(p, end, ':');
    if ((colon || *p < end) && !take_digits(p, end, 2, &minutes)) return false;
    if (hours > 23 || minutes > 59) return false;
    *micros = (int64_t)(hours * 60 + minutes) * 60000000;
    if (negative) *micros = -*micros;
    return true;
}

/* hh:mm, hh:mm:ss or hh:mm:ss.f, then perhaps a zone. */
static bool take_time(const char **p, const char *end, int64_t *micros) {
    unsigned hours, minutes, seconds = 0, fraction = 0;
    if (!take_digits(p, end, 2, &hours) || !take_char(p, end, ':') || !take_digits(p, end, 2, &minutes)) return false;
    if (take_char(p, end, ':')) {
        if (!take_digits(p, end, 2, &seconds)) return false;
        if ((take_char(p, end, '.') || take_char(p, end, ',')) && !take_fraction(p, end, &fraction)) return false;
    }
    if (hours > 23 || minutes > 59 || seconds > 59) return false;
    *micros = (int64_t)(hours * 3600 + minutes * 60 + seconds) * 1000000 + fraction;
    return true;
}

bool th_parse_timestamp(th_view text, int64_t *micros) {
    const char *p = text.data, *end = text.data + text.len;
    int64_t days, time = 0, zone = 0;
    if (text.len == 0 || !take_date(&p, end, &days)) return false;
    if (p != end) {
        if (!take_char(&p, end, 'T') && !take_char(&p, end, 't') && !take_char(&p, end, ' ')) return false;
        if (!take_time(&p, end, &time)) return false;
        if (p != end && !take_zone(&p, end, &zone)) return false;
    }
    if (p != end) return false;
    __int128 result = (__int128)days * TH_DAY_MICROS + time - zone;
    if (result < INT64_MIN || result > INT64_MAX) return false;
    *micros = (int64_t)result;
    return true;
}
