@reads @emulated-only
Feature: Chips with fuses that lock something
  Rare on modules from the shop, but FL0205 and FL0206 mean one of these, and no tool can undo a fuse.

  Scenario Outline: On a chip that wants signed images: <what>
    Given a healthy XT-ZB2 in programming mode
    And its fuses are those of the reference vector "<vector>"
    And a session at 500,000 baud
    When the host sends the frames of the reference vector "<vector>"
    Then the last answer is <answer>
    And no fuse was burnt

    Examples:
      | what                          | vector                                | answer |
      | an unsigned image is refused  | signed chip: unsigned header          | FL0206 |
      | a foreign key is refused      | signed chip: other key                | FL020C |
      | a damaged key is refused      | signed chip: key crc                  | FL020B |
      | a damaged signature is refused | signed chip: signature crc           | FL020E |
      | a foreign signature is refused | signed chip: another signature       | FL0219 |
      | the right signature passes    | signed chip: whole flow, good         | OK     |

  Scenario Outline: A chip that wants <cipher> refuses other images: type <type>
    Given a healthy XT-ZB2 in programming mode
    And its fuses are those of the reference vector "<vector>"
    And a session at 500,000 baud
    When the host sends the frames of the reference vector "<vector>"
    Then the last answer is <answer>

    Examples:
      | cipher  | type | vector                          | answer |
      | AES-128 | 0    | efuse AES-128, header encrypt 0 | FL0205 |
      | AES-128 | 1    | efuse AES-128, header encrypt 1 | OK     |
      | AES-192 | 1    | efuse AES-192, header encrypt 1 | FL0205 |
      | AES-192 | 3    | efuse AES-192, header encrypt 3 | OK     |
      | AES-256 | 0    | efuse AES-256, header encrypt 0 | FL0205 |
      | AES-256 | 2    | efuse AES-256, header encrypt 2 | OK     |

  Scenario: The boot ROM says that a chip wants signed images
    Given a healthy XT-ZB2 in programming mode
    And its fuses are those of the reference vector "boot info: signed"
    And a session at 500,000 baud
    When the host sends 10 00 00 00
    Then the module answers OK 18 00 01 00 02 07 01 00 ..

  Scenario: The flasher sees a chip that wants signed images, and uploads nothing
    Given a healthy XT-ZB2 in programming mode
    And its fuses are those of the reference vector "signed chip: unsigned header"
    When I back up the flash
    Then the flasher gives up with exit status 1
    And it says "would refuse this RAM loader with FL0206"
    And the flasher uploaded nothing
    And it names as the likely cause "run only images of its maker"

  Scenario: The flasher sees a chip that wants encrypted images, and uploads nothing
    Given a healthy XT-ZB2 in programming mode
    And its fuses are those of the reference vector "efuse AES-128, header encrypt 0"
    When I back up the flash
    Then the flasher gives up with exit status 1
    And it says "would refuse this RAM loader with FL0205"
    And the flasher uploaded nothing

  Scenario: Asking a locked chip what it is works all the same
    Given a healthy XT-ZB2 in programming mode
    And its fuses are those of the reference vector "signed chip: unsigned header"
    When I ask the module what it is
    Then its flash was not looked at, because "FL0206"

  Scenario: A chip with tz_boot refuses memory commands
    Given a healthy XT-ZB2 in programming mode
    And its fuse tz_boot is burnt
    And a session at 500,000 baud
    When the host sends 50 00 08 00 00 40 01 22 01 00 00 00
    And the host sends 51 00 08 00 00 40 01 22 04 00 00 00
    Then the module answers FL0501, FL0504

  Scenario Outline: Where <fuse> forbids the usual start of the RAM loader, the flasher has another way
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    And its fuse <fuse> is burnt
    When I back up the flash
    Then the flasher started the RAM loader by the run command
    And the backup equals the flash
    And no fuse was burnt

    Examples:
      | fuse             |
      | tz_boot          |
      | hbn_jump_disable |

  Scenario: A chip whose serial boot is fused off never answers
    Given a healthy XT-ZB2 in programming mode
    And its fuse uartboot_disable is burnt
    When the host sends 55 for 3 ms at 500,000 baud
    Then the module answers nothing
    When I back up the flash
    Then the flasher gives up with exit status 1
    And it says "no answer of the boot ROM to"

  Scenario: A chip that must not boot its flash is in programming mode whatever BOOT says
    Given a healthy XT-ZB2 with BOOT tied low
    And its flash holds the stock firmware
    And its fuse mediaboot_disable is burnt
    When the host sends 55 for 3 ms at 500,000 baud
    Then the module answers OK
