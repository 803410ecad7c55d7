Feature: Working with the partitions of a module

  The stock layout has its table at 0x1000 and again at 0x2000. Of two good copies the newer one counts.

  @reads
  Scenario: The module's own table is read
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the stock firmware
    When I read the partition table
    Then the copy at 0x1000 counts and has age 0
    And the flash is as it was

  @writes
  Scenario: A file is written into a partition by its name
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the stock firmware
    And an image of 5,000 bytes for address 0xFB000
    When I write the image into the partition media
    Then the flasher succeeds
    And the flash holds the image, and for the rest what it held before
    And no fuse was burnt

  @writes
  Scenario: The newer copy of the table counts, and where it says that the partition is in use
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the stock firmware, whose newer second table has FW at its second place
    And an image of 5,000 bytes for address 0x93000
    When I write the image into the partition FW
    Then the flasher succeeds
    And the flash holds the image, and for the rest what it held before

  @writes
  Scenario: A damaged copy of the table does not count
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the stock firmware, whose first table is damaged
    And an image of 300 bytes for address 0xF9000
    When I write the image into the partition PSM
    Then the flasher succeeds
    And the flash holds the image, and for the rest what it held before

  @reads
  Scenario: A file that is too large for its partition is refused
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the stock firmware
    And an image of 8,193 bytes for address 0xF9000
    When I write the image into the partition PSM
    Then the flasher gives up with exit status 2
    And it says "the file has 8193 bytes, partition PSM (0xf9000..0xfb000) has room for 8192"
    And the flash is as it was

  @reads
  Scenario: A partition that is not there is named with those that are
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the stock firmware
    When I erase the partition OTA
    Then the flasher gives up with exit status 2
    And it says "there are: FW, mfg, PSM, media, factory"
    And the flash is as it was

  @reads
  Scenario: A module without a table has no partitions
    Given a healthy XT-ZB2 in programming mode
    And its flash is empty
    When I erase the partition FW
    Then the flasher gives up with exit status 1
    And it says "holds no partition table"
    And it advises "partition install"

  @writes
  Scenario: A partition is erased
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the stock firmware
    When I erase the partition FW
    Then the flasher succeeds
    And 576 KiB from 0x3000 are erased, and the rest is what it was before

  @reads
  Scenario: A partition is backed up
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the stock firmware
    When I back up the partition FW
    Then the backup equals the 576 KiB of the flash from 0x3000

  @reads
  Scenario: A partition is compared with a file
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the stock firmware
    And an image of the 8 KiB that the flash holds at 0x3000
    When I verify the image against the partition FW
    Then the flasher succeeds
    When I verify the image against the partition mfg
    Then the flasher gives up with exit status 4

  @writes
  Scenario: A new table is put onto the module, newer than the old one, in both places
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the stock firmware
    When I put a table with FW and PSM onto the module
    Then the flasher succeeds
    And the copy at 0x2000 was written first
    And both copies of the table have age 1 and the partitions FW and PSM
    When I put a table with FW and PSM onto the module
    Then nothing of the table had to be changed
    And both copies of the table have age 1 and the partitions FW and PSM

  @reads
  Scenario: A table for another place than the module's is refused
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the stock firmware
    When I put a table for 0xE000 and 0xF000 onto the module
    Then the flasher gives up with exit status 3
    And it says "0x1000 and 0x2000"
    And the flash is as it was

  @reads
  Scenario: A table does not overwrite something else
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    When I put a table with FW and PSM onto the module
    Then the flasher gives up with exit status 3
    And it says "holds something else"
    And the flash is as it was
