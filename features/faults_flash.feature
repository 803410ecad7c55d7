@emulated-only
Feature: Flash that is unknown, dead, locked, worn or lying
  Everything that was read or written is compared with the SHA-256 that the module computes, so that no fault of the
  flash ends in a success.

  Background:
    Given a healthy XT-ZB2 with EN on RTS and BOOT on DTR
    And its flash holds the reference pattern

  @reads
  Scenario: A flash that the RAM loader cannot identify
    Given the fault "jedec-fail"
    When I back up the flash
    Then the flasher gives up with exit status 1
    And it says "answers the JEDEC id c2 20 14 with the flag byte 00"
    And it names as the likely cause "not in the RAM loader's list"
    And it advises "--flash-size 1MiB"
    And it says that the module "restarted"
    And the fault has shown

  @writes
  Scenario: Who knows the size of such a flash can go on, with a warning
    Given the fault "jedec-fail"
    And a flasher that is told that the flash has 1 MiB
    And an image of 20 KiB for address 0x3800
    When I back up the flash
    Then the backup equals the flash
    And it warns "the RAM loader does not know this flash"
    When I write the image
    Then the flash holds the image, and for the rest what it held before

  @reads
  Scenario Outline: No flash answers: <fault>
    Given the fault "<fault>"
    And a flasher that is told that the flash has 1 MiB
    When I back up the flash
    Then the flasher gives up with exit status 1
    And it says "the JEDEC id reads <id> (flag byte 00)"
    And it names as the likely cause "the flash has no supply, is not soldered"
    And it advises "--flash-size does not help"

    Examples:
      | fault          | id       |
      | jedec-dead     | ff ff ff |
      | jedec-dead-low | 00 00 00 |

  @reads
  Scenario: The JEDEC id is never given, though everything else is answered
    Given the fault "jedec-refused"
    When I back up the flash
    Then the flasher gives up with exit status 1
    And it says "failed to read the JEDEC id (RAM loader, command 36h, attempt 3 of 5)"
    And it says "each time the module answered the handshake and boot info right after it"
    And it names as the likely cause "the line is good"
    And it advises "Check the file given with --loader"

  @reads
  Scenario: A flash of half the size
    Given the fault "flash-smaller"
    When I back up the flash
    Then the flasher succeeds
    And it warns "the flash says that it has 512 KiB (c2 20 13), the eFuses say 1 MiB flash inside"

  @reads
  Scenario: A flash that claims twice its size
    Given the fault "flash-size-lie"
    When I back up the flash
    Then the flasher gives up with exit status 1
    And it says "from 0x100000 on it holds the same again"
    And it names as the likely cause "a part with a wrong id"
    And it advises "--flash-size 1024KiB"

  @reads
  Scenario: Who gives the true size of such a flash can go on
    Given the fault "flash-size-lie"
    And a flasher that is told that the flash has 1 MiB
    When I back up the flash
    Then the backup equals the flash

  @writes
  Scenario Outline: The flash does not take what is written: <fault>
    Given the fault "<fault>"
    And an image of 36 KiB for address 0x1800
    When I write the image
    Then the flasher gives up with exit status <exit>
    And it says "<says>"
    And it names as the likely cause "<cause>"
    And it advises "<next>"
    And it says that the flash is "<state>"
    And the fault has shown

    Examples: it says so
      | fault             | exit | says                                                 | cause              | next                                 | state                              |
      | erase-fail        | 1    | command 30h, attempt 5 of 5): the module answered FL0003 | erasing failed | Check the 3.3 V supply under load    | may be erased or written in part   |
      | write-enable-fail | 1    | command 30h, attempt 5 of 5): the module answered FL0003 | erasing failed | Check the 3.3 V supply under load    | may be erased or written in part   |
      | slow-erase        | 1    | command 30h, attempt 5 of 5): the module answered FL0003 | erasing failed | Check the 3.3 V supply under load    | may be erased or written in part   |
      | flash-never-ready | 1    | command 30h, attempt 5 of 5): the module answered FL0003 | erasing failed | Check the 3.3 V supply under load    | may be erased or written in part   |
      | program-fail      | 1    | attempt 3 of 3): the module answered FL0006          | programming        | supply                               | may be erased or written in part   |
      | slow-program      | 1    | attempt 3 of 3): the module answered FL0006          | programming        | supply                               | may be erased or written in part   |

    Examples: it answers OK all the same
      | fault           | exit | says                                        | cause                                | next                           | state                               |
      | flash-protected | 1    | status bits are locked (status registers 05h: | block protection locked by SRP     | Find what holds WP# of the flash low | does not hold what was to be written |
      | flash-worn      | 4    | bits of that sector are 0 and should be 1: they were not erased | worn or damaged cells | replace the flash     | does not hold what was to be written |
      | erase-lie       | 4    | are 0 and should be 1: they were not erased | worn or damaged cells                | Back up what can be read       | does not hold what was to be written |
      | write-lie       | 4    | are 1 and should be 0: they were not programmed | worn or damaged cells            | Back up what can be read       | does not hold what was to be written |
      | stuck-bits      | 4    | first at 0x002000                           | worn or damaged cells                | Back up what can be read       | does not hold what was to be written |
      | weak-bits       | 1    | the flash at 0x2000..0x3000 does not read the same twice | weak cells              | Check the supply of the flash  | does not hold what was to be written |

  @reads
  Scenario: Cells that read differently each time are told from a bad line
    Given the fault "weak-bits"
    When I back up the flash
    Then the flasher gives up with exit status 1
    And it says "different SHA-256 in 12 looks by the module itself"
    And it names as the likely cause "the line is not to blame"

  @writes
  Scenario: Status registers that cannot be read do not matter to a write that goes well
    Given the fault "status-read-fail"
    And an image of 36 KiB for address 0x1800
    When I write the image
    Then the flash holds the image, and for the rest what it held before

  @reads
  Scenario: Reading is refused
    Given the fault "read-refused"
    When I back up the flash
    Then the flasher gives up with exit status 1
    And it says "failed to read flash at 0x0..0x2404 (RAM loader, command 32h, attempt 5 of 5): the module answered FL0004"
    And it says that the flash is "unchanged by this run"
