# Nothing is lost under faults: a short form of tests/chaos/queue.

@test "every item ends done or dead while workers and the server are killed and answers get lost" {
  DCOORD_TEST_SERVER=${DCOORD_TEST_SERVER:-redis-server} "$BATS_TEST_DIRNAME/../chaos/queue" 6 8 400 3>&-
}
