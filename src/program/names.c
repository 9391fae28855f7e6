/*
** names.c - open addressing; lies in an arena, so that it is never freed by itself.
** SPDX-License-Identifier: Apache-2.0
*/
#include "program/names.h"

static th_name_entry *slot_of(const th_name_map *map, th_view name) {
    size_t mask = map->capacity - 1;
    for (size_t i = th_hash_bytes(name.data, name.len, 7) & mask;; i = (i + 1) & mask)
        if (map->slots[i].uses == 0 || th_view_eq(map->slots[i].name, name)) return &map->slots[i];
}

static bool grow(th_name_map *map) {
    th_name_map grown = {map->arena, NULL, map->capacity ? map->capacity * 2 : 32, map->count};
    grown.slots = th_arena_zeroed(map->arena, grown.capacity * sizeof *grown.slots);
    if (grown.slots == NULL) return false;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].uses != 0) *slot_of(&grown, map->slots[i].name) = map->slots[i];
    *map = grown;
    return true;
}

bool th_name_map_put(th_name_map *map, th_view name, uint32_t index) {
    if ((map->count + 1) * 2 > map->capacity && !grow(map)) return false;
    th_name_entry *slot = slot_of(map, name);
    if (slot->uses++ == 0) {
        slot->name = name;
        slot->index = index;
        map->count++;
    }
    return true;
}

const th_name_entry *th_name_map_get(const th_name_map *map, th_view name) {
    if (map->capacity == 0) return NULL;
    const th_name_entry *slot = slot_of(map, name);
    return slot->uses != 0 ? slot : NULL;
}
